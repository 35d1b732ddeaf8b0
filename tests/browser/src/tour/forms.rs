//! What forms answer to somebody who fills in nothing.

use anyhow::Result;
use serde_json::from_value;

use super::{Eyes, Step, Tour};

/// Lists where the forms of a page are sent that have something to be typed or attached. A passkey's form is filled in by a browser.
const FORMS: &str = "return [...document.querySelectorAll('main form[method=post]:not(#passkey)')] \
    .filter((form) => form.querySelector(':is(input.input, textarea, [type=file])[required]')).map((form) => form.getAttribute('action'));";
/// Empties the form, as a browser without our rules would send it.
const EMPTY: &str = "const form = [...document.querySelectorAll('main form[method=post]')] \
    .find((form) => form.getAttribute('action') === action && form.querySelector(':is(input.input, textarea, [type=file])[required]')); \
    form.noValidate = true; form.dataset.tried = ''; \
    for (const choice of [...form.querySelectorAll('[type=radio][required]')].reverse()) choice.checked = true; \
    for (const field of form.querySelectorAll('input.input, textarea')) field.value = field.type === 'email' ? 'nobody' : '';";
/// Whether the page says what is wrong.
const IS_SAID: &str = "return !!document.querySelector('main .errtext, main .note.s-exception');";
const BUTTON: &str = "form[data-tried] button:not([type=button])";
/// Where somebody is sent who must prove first who she is.
const PROOF: &str = "/account/sudo";

impl<E: Eyes> Tour<'_, E> {
    /// Sends the forms of a page with nothing in them and looks at what they are answered, each form once.
    pub(super) async fn refusals(&mut self, name: &str, path: &str) -> Result<()> {
        if !format!("{name} refused").contains(self.only) {
            return Ok(());
        }
        self.open(path).await?;
        let actions: Vec<String> = from_value(self.browser.ask(FORMS).await?)?;
        for action in actions {
            let form = shape(&action);
            let empty = format!("const action = '{action}'; {EMPTY}");
            let steps = [Step::Do(&empty), Step::Press(BUTTON)];
            if self.refused.contains(&form) {
                continue;
            }
            self.open(path).await?;
            self.go(&steps).await?;
            if !path.starts_with(PROOF) && self.browser.path().await? == PROOF {
                // It is sent again when she has.
                continue;
            }
            if self.browser.ask(IS_SAID).await? != true {
                println!("{name}: {action} was sent with nothing in it, and nothing says what is wrong");
                self.seen.found += 1;
            }
            self.refused.insert(form);
            let last = action.rsplit('/').next().filter(|last| !last.contains('_')).unwrap_or_default();
            self.look_after(format!("{name} refused {last}").trim_end(), path, &steps).await?;
        }
        Ok(())
    }
}

/// Returns where a form is sent, without ids.
fn shape(action: &str) -> String {
    action.split('/').filter(|part| !part.contains('_')).collect::<Vec<_>>().join("/")
}
