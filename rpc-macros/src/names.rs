//! Names on the wire and names in Rust.

use crate::{attribute::Key, report::Report};
use syn::{Ident, LitStr, ext::IdentExt};

/// `find_by_store` is `FindByStore` on the wire.
pub(crate) fn upper_camel(ident: &Ident) -> String {
    let mut name = String::new();
    for word in ident.unraw().to_string().split('_') {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}

/// The constant of `find_by_store` is `FIND_BY_STORE`.
pub(crate) fn constant(ident: &Ident) -> Ident {
    Ident::new(&screaming(&ident.unraw().to_string()), ident.span())
}

/// `LateNight` is `LATE_NIGHT`, as values of enums are written in protobuf.
pub(crate) fn screaming(name: &str) -> String {
    let mut screaming = String::new();
    let mut after_small = false;
    for letter in name.chars() {
        if letter.is_uppercase() && after_small {
            screaming.push('_');
        }
        after_small = letter.is_lowercase() || letter.is_numeric();
        screaming.extend(letter.to_uppercase());
    }
    screaming
}

/// `LateNight` is `late_night`, as fields are written in protobuf.
pub(crate) fn snake(name: &str) -> String {
    screaming(name).to_lowercase()
}

/// Whether protobuf, and with it every other language, can say this name.
pub(crate) fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What is said of a text that is no name, of which `example` is one.
pub(crate) fn no_name(text: &str, example: &str) -> String {
    format!("`{text}` is no name; write letters, digits and `_`, as in \"{example}\"")
}

/// The name on the wire in `name = ".."`, of which `example` is one as it should be.
pub(crate) fn name_of(key: &Key, example: &str) -> syn::Result<String> {
    let literal: LitStr = key.value(&format!("\"{example}\""))?;
    spelt(&literal, is_identifier, |text| no_name(text, example))
}

/// The package in `package = ".."`.
pub(crate) fn package_of(key: &Key) -> syn::Result<String> {
    let literal: LitStr = key.value("\"baedal.orders.v1\"")?;
    let is_package = |text: &str| text.split('.').all(is_identifier);
    spelt(&literal, is_package, |text| {
        format!("`{text}` is no package; write names joined by dots, as in \"baedal.orders.v1\"")
    })
}

/// What `literal` says, if it is right and a reasonable length.
fn spelt(literal: &LitStr, is_right: impl Fn(&str) -> bool, wrong: impl Fn(&str) -> String) -> syn::Result<String> {
    const LONGEST: usize = 200;
    let text = literal.value();
    if !is_right(&text) {
        return Err(syn::Error::new(literal.span(), wrong(&text)));
    }
    if text.len() > LONGEST {
        return Err(syn::Error::new(literal.span(), format!("this is too long; write at most {LONGEST} letters")));
    }
    Ok(text)
}

/// Reports a name that follows from Rust's, where other letters are allowed.
pub(crate) fn spoken(ident: &Ident, name: &str, report: &mut Report) {
    if !is_identifier(name) {
        report.at(ident, format!("other languages cannot say `{name}`; write it in ASCII letters, digits and `_`"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::Span;

    #[test]
    fn words_are_joined_and_raised() {
        for (rust, wire, upper) in [
            ("find", "Find", "FIND"),
            ("find_by_store", "FindByStore", "FIND_BY_STORE"),
            ("find_2", "Find2", "FIND_2"),
            ("findStore", "FindStore", "FIND_STORE"),
            ("_hidden", "Hidden", "_HIDDEN"),
        ] {
            let ident = Ident::new(rust, Span::call_site());
            assert_eq!(upper_camel(&ident), wire);
            assert_eq!(constant(&ident), upper);
        }
        let raw = Ident::new_raw("type", Span::call_site());
        assert_eq!(upper_camel(&raw), "Type");
        assert_eq!(constant(&raw), "TYPE");
    }
}
