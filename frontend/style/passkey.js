// Asks the browser's authenticator what the form holds, and sends its answer with the form.
const form = document.getElementById("passkey");
const button = form.querySelector("button[type=submit]");

const bytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const named = (keys) => keys?.map((key) => ({ ...key, id: bytes(key.id) }));

const question = () => {
  const { publicKey } = JSON.parse(form.dataset.options);
  publicKey.challenge = bytes(publicKey.challenge);
  if (publicKey.user) publicKey.user.id = bytes(publicKey.user.id);
  if (publicKey.excludeCredentials) publicKey.excludeCredentials = named(publicKey.excludeCredentials);
  if (publicKey.allowCredentials) publicKey.allowCredentials = named(publicKey.allowCredentials);
  return { publicKey };
};

const asJson = ({ id, rawId, type, response }) => {
  const parts = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const said = parts.filter((part) => response[part]).map((part) => [part, text(response[part])]);
  const transports = response.getTransports?.();
  return JSON.stringify({ id, rawId: text(rawId), type, response: { ...Object.fromEntries(said), transports } });
};

const say = (what) => {
  for (const line of form.querySelectorAll("[data-says]")) line.hidden = line.dataset.says !== what;
};

const ask = async () => {
  say();
  button.disabled = true;
  try {
    const credential = await navigator.credentials[form.dataset.act](question());
    form.elements.credential.value = asJson(credential);
    form.submit();
  } catch (error) {
    // An authenticator that holds one of the keys already says so by the first of these names. The page speaks to people, the
    // console to whoever helps them.
    const said = { InvalidStateError: "known", NotSupportedError: "unsupported", SecurityError: "unsupported" };
    say(said[error.name] ?? "failed");
    console.warn(error);
    button.disabled = false;
  }
};

if (window.PublicKeyCredential) {
  button.disabled = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  // A new key has a name first; for all else the browser is asked at once.
  if (form.dataset.act === "get") ask();
} else {
  say("unsupported");
}
