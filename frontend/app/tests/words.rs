//! Reads the sources of the pages as the compiler does, and finds what they say that is not in the catalogs.
#![cfg(feature = "ssr")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a source that cannot be read is a test that fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::mem;
use std::path::{Path, PathBuf};

use rstml::node::{Node, NodeAttribute, NodeBlock};
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::visit::Visit;
use syn::{Attribute, Block, Expr, ExprCall, FnArg, ItemFn, ItemMod, Lit, LitStr, Macro, Meta, Pat, Stmt, Token};

/// Attributes of elements that people read or hear.
const SPOKEN: &[&str] =
    &["title", "alt", "label", "placeholder", "aria-label", "aria-description", "aria-roledescription"];
/// Properties of components that nobody reads: names of fields, icons, classes, addresses. All others are texts.
const UNSPOKEN: &[&str] = &[
    "action",
    "again",
    "autocomplete",
    "base",
    "class",
    "field",
    "href",
    "icon",
    "id",
    "kind",
    "live",
    "mode",
    "name",
    "next",
    "path",
    "prefix",
    "shape",
    "size",
    "ssr",
    "value",
    "view",
    "what",
];
/// What is the same in every language: names of the platform's fields and of browsers.
const NAMES: &[&str] = &["client_id", "Samsung Internet", "Huawei Browser", "Mi Browser"];

/// What a source says, and by which parameters of which functions.
#[derive(Default)]
struct Words {
    found: BTreeSet<(usize, String)>,
    /// Names that are shown by the function that is being read.
    shown: BTreeSet<String>,
    /// Which parameters a function shows.
    showing: BTreeMap<String, BTreeSet<usize>>,
}

impl Words {
    /// Returns what a source says, with its lines.
    fn of(source: &str) -> Vec<(usize, String)> {
        let file = syn::parse_file(source).unwrap();
        let mut words = Self::default();
        // Read twice: a function may be called above of where it is written.
        words.visit_file(&file);
        words.found.clear();
        words.visit_file(&file);
        words.found.into_iter().collect()
    }

    fn says(&mut self, text: &str, line: usize) {
        let letters = text.chars().filter(|letter| letter.is_alphabetic()).count();
        let says_something = letters > 1 || text.chars().any(is_chinese);
        let is_address_or_color = text.starts_with('/') || text.starts_with("--");
        if says_something && !is_address_or_color && !NAMES.contains(&text.trim()) {
            self.found.insert((line, text.to_owned()));
        }
    }

    fn nodes(&mut self, nodes: &[Node]) {
        for node in nodes {
            match node {
                Node::Text(text) => self.says(&text.value_string(), text.value.span().start().line),
                Node::RawText(text) => {
                    let line = text.join_spans().map_or(0, |span| span.start().line);
                    self.says(&text.to_string_best(), line);
                }
                Node::Block(NodeBlock::ValidBlock(block)) => {
                    self.shows_block(block);
                    self.visit_block(block);
                }
                Node::Fragment(fragment) => self.nodes(&fragment.children),
                Node::Element(element) => {
                    let name = element.name().to_string();
                    for attribute in element.attributes() {
                        self.attribute(attribute, &name);
                    }
                    self.nodes(&element.children);
                }
                Node::Comment(_) | Node::Doctype(_) => {}
                Node::Block(NodeBlock::Invalid(_)) | Node::Custom(_) => unreachable!("leptos refuses it as well"),
            }
        }
    }

    fn attribute(&mut self, attribute: &NodeAttribute, of: &str) {
        match attribute {
            NodeAttribute::Block(NodeBlock::ValidBlock(block)) => self.visit_block(block),
            NodeAttribute::Block(NodeBlock::Invalid(_)) => {}
            NodeAttribute::Attribute(pair) => {
                let key = pair.key.to_string();
                let Some(value) = pair.value() else { return };
                let is_unspoken = key.contains(':') || (UNSPOKEN.contains(&key.as_str()) && of != "PageTitle");
                let is_component = of.starts_with(char::is_uppercase);
                if SPOKEN.contains(&key.as_str()) || (is_component && !is_unspoken) {
                    self.shows(value);
                }
                // A literal of any other attribute is for the browser.
                if !matches!(value, Expr::Lit(_)) {
                    self.visit_expr(value);
                }
            }
        }
    }

    /// Whatever a block ends with is shown.
    fn shows_block(&mut self, block: &Block) {
        match block.stmts.last() {
            Some(Stmt::Expr(value, None)) => self.shows(value),
            Some(Stmt::Macro(call)) => self.shows_macro(&call.mac),
            _ => {}
        }
    }

    /// What an expression may come to is shown.
    fn shows(&mut self, value: &Expr) {
        match value {
            Expr::Lit(literal) => {
                if let Lit::Str(text) = &literal.lit {
                    self.says(&text.value(), text.span().start().line);
                }
            }
            Expr::Path(path) => self.shown.extend(path.path.get_ident().map(ToString::to_string)),
            Expr::Block(block) => self.shows_block(&block.block),
            Expr::If(branch) => {
                self.shows_block(&branch.then_branch);
                if let Some((_, other)) = &branch.else_branch {
                    self.shows(other);
                }
            }
            Expr::Match(choice) => choice.arms.iter().for_each(|arm| self.shows(&arm.body)),
            Expr::Paren(inner) => self.shows(&inner.expr),
            Expr::Group(inner) => self.shows(&inner.expr),
            Expr::Reference(inner) => self.shows(&inner.expr),
            Expr::Closure(closure) => self.shows(&closure.body),
            Expr::Tuple(tuple) => tuple.elems.iter().for_each(|part| self.shows(part)),
            Expr::Array(array) => array.elems.iter().for_each(|part| self.shows(part)),
            Expr::Macro(call) => self.shows_macro(&call.mac),
            // `"x".to_owned()`, `name.clone()`, `found.map(|it| …)`, `it.then_some("x")`, `it.unwrap_or("x")`.
            Expr::MethodCall(call) => {
                self.shows(&call.receiver);
                call.args.iter().for_each(|part| self.shows(part));
            }
            Expr::Call(call) if is_wrapper(call) => call.args.iter().for_each(|part| self.shows(part)),
            _ => {}
        }
    }

    /// A text that is put together says what stands between its placeholders.
    fn shows_macro(&mut self, call: &Macro) {
        if !call.path.is_ident("format") {
            return;
        }
        let arguments = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(call.tokens.clone()).unwrap();
        if let Some(Expr::Lit(first)) = arguments.first()
            && let Lit::Str(text) = &first.lit
        {
            let parts = text.value();
            let words: String =
                parts.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest)).collect();
            self.says(&words, text.span().start().line);
        }
    }
}

/// Whether a call only wraps what it is given.
fn is_wrapper(call: &ExprCall) -> bool {
    let Expr::Path(path) = &*call.func else { return false };
    let segments: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    matches!(segments.join("::").as_str(), "Some" | "String::from" | "Ok")
}

fn is_chinese(letter: char) -> bool {
    ('\u{3400}'..='\u{9fff}').contains(&letter)
}

/// Whether a text is a sentence for people wherever it stands: codes, classes and addresses begin with small letters.
fn is_prose(text: &str) -> bool {
    let mut letters = text.chars();
    let is_capital = letters.next().is_some_and(char::is_uppercase) && letters.next().is_some_and(char::is_lowercase);
    text.chars().any(is_chinese) || (is_capital && text.contains(' '))
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        matches!(&attribute.meta, Meta::List(list) if list.path.is_ident("cfg") && list.tokens.to_string() == "test")
    })
}

impl<'ast> Visit<'ast> for Words {
    fn visit_attribute(&mut self, _attribute: &'ast Attribute) {}

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_for_tests(&module.attrs) {
            syn::visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        let outer = mem::take(&mut self.shown);
        syn::visit::visit_item_fn(self, function);
        let shown = mem::replace(&mut self.shown, outer);
        let is_shown = |input: &FnArg| match input {
            FnArg::Typed(typed) => matches!(&*typed.pat, Pat::Ident(name) if shown.contains(&name.ident.to_string())),
            FnArg::Receiver(_) => false,
        };
        let inputs = function.sig.inputs.iter().enumerate();
        let places: BTreeSet<usize> = inputs.filter(|(_, input)| is_shown(input)).map(|(place, _)| place).collect();
        self.showing.insert(function.sig.ident.to_string(), places);
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        if let Expr::Path(path) = &*call.func
            && let Some(name) = path.path.get_ident()
        {
            let places = self.showing.get(&name.to_string()).cloned().unwrap_or_default();
            places.into_iter().filter_map(|place| call.args.get(place)).for_each(|given| self.shows(given));
        }
        syn::visit::visit_expr_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        if call.path.is_ident("view") {
            self.nodes(&rstml::parse2(call.tokens.clone()).unwrap());
        } else if let Ok(arguments) = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(call.tokens.clone()) {
            arguments.iter().for_each(|argument| self.visit_expr(argument));
        }
    }

    fn visit_lit_str(&mut self, text: &'ast LitStr) {
        if is_prose(&text.value()) {
            self.says(&text.value(), text.span().start().line);
        }
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn no_page_says_anything_that_is_not_in_the_catalogs() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 100, "the sources were found");
    files.sort();
    let mut found = Vec::new();
    for path in files {
        let words = Words::of(&fs::read_to_string(&path).unwrap());
        found.extend(words.into_iter().map(|(line, text)| format!("{}:{line}: {text}", path.display())));
    }
    assert!(found.is_empty(), "move them to locales/: {found:#?}");
}

/// Returns what a view says, in a function around it.
fn said(view: &str) -> Vec<String> {
    let source = format!("fn page() {{ view! {{ {view} }} }}");
    Words::of(&source).into_iter().map(|(_, text)| text).collect()
}

#[test]
fn words_are_found_wherever_a_view_may_have_them() {
    for view in [
        r#"<p>"hello"</p>"#,
        "<p>hello there</p>",
        "<p>\n    \"hello\"\n</p>",
        r#"<p class="x">{name}" is here"</p>"#,
        r#"<p>{"hello"}</p>"#,
        r#"<p>{if here { "hello" } else { name }}</p>"#,
        r#"<p>{match kind { Kind::One => "hello", Kind::Other => name }}</p>"#,
        r#"<p>{format!("hello {name}")}</p>"#,
        r#"<p>{is_here.then_some("hello")}</p>"#,
        r#"<p>{found.map(|found| view! { <b>"hello"</b> })}</p>"#,
        r#"<img alt="hello"/>"#,
        r#"<button aria-label="hello"></button>"#,
        r#"<input placeholder={"hello".to_owned()}/>"#,
        r#"<Card title="hello"/>"#,
        r#"<Empty act=("/console".to_owned(), "hello".to_owned())/>"#,
        r#"<For each=list let:line><td>"hello"</td></For>"#,
    ] {
        assert_eq!(said(view).len(), 1, "{view}");
    }
    for source in [
        r#"fn title() -> &'static str { "你好" }"#,
        r#"fn title() -> &'static str { "Hello there" }"#,
        r#"fn page() { fact("hello", 1) } fn fact(name: &str, n: u8) { view! { <dt>{name}</dt><dd>{n}</dd> } }"#,
    ] {
        assert_eq!(Words::of(source).len(), 1, "{source}");
    }
}

#[test]
fn what_is_for_the_browser_is_no_word() {
    for view in [
        r#"<p class="card">{t::site::name()}</p>"#,
        r#"<a href="/pricing">" · "</a>"#,
        r#"<path d="M3 4 L5 6"/>"#,
        r#"<Icon name="eye" size="s"/>"#,
        r#"<input type=if hidden { "hidden" } else { "text" } name="code"/>"#,
        r#"<p class:err=invalid>{href("eye")}{format!("{a} – {b}")}</p>"#,
    ] {
        assert_eq!(said(view), [""; 0], "{view}");
    }
}
