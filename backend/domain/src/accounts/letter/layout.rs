//! The one layout of mails: narrow, without pictures, readable in the dark and without styles.

use std::fmt::Write as _;

use kamiflow_kernel::Locale;

use super::Worded;

/// Returns a mail as plain text.
pub(super) fn text(worded: &Worded, locale: Locale) -> String {
    let mut out = String::new();
    for paragraph in &worded.paragraphs {
        let _ = write!(out, "{paragraph}\n\n");
    }
    if let Some((label, link)) = &worded.action {
        let _ = write!(out, "{label}:\n{link}\n\n");
    }
    let _ = write!(out, "{}\n\n-- \n{}\n", worded.otherwise, signature(locale));
    out
}

/// Returns a mail as HTML.
pub(super) fn html(worded: &Worded, locale: Locale) -> String {
    let lang = match locale {
        Locale::Zh => "zh-CN",
        Locale::En => "en",
    };
    let mut body = String::new();
    for paragraph in &worded.paragraphs {
        let _ = write!(body, "<p>{}</p>", escaped(paragraph));
    }
    if let Some((label, link)) = &worded.action {
        let link = escaped(link);
        let _ = write!(
            body,
            "<p style=\"margin:24px 0\"><a href=\"{link}\" style=\"display:inline-block;padding:12px 20px;\
             border-radius:8px;background:#1f5eff;color:#ffffff;text-decoration:none\">{}</a></p>\
             <p style=\"font-size:13px;color:#6b7280;word-break:break-all\">{link}</p>",
            escaped(label)
        );
    }
    format!(
        "<!doctype html><html lang=\"{lang}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{}</title></head>\
         <body style=\"margin:0;padding:24px;font:16px/1.6 system-ui,sans-serif\">\
         <div style=\"max-width:560px;margin:0 auto\">{body}\
         <p style=\"font-size:13px;color:#6b7280\">{}</p><p style=\"font-size:13px;color:#6b7280\">{}</p>\
         </div></body></html>",
        escaped(&worded.subject),
        escaped(worded.otherwise),
        signature(locale)
    )
}

const fn signature(locale: Locale) -> &'static str {
    match locale {
        Locale::Zh => "Kamiflow 卡密流",
        Locale::En => "Kamiflow",
    }
}

/// Names of merchants and browsers are other people's texts.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
