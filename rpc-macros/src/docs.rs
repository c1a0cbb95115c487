//! Documentation, which goes where the schema goes.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// Whether `#[deprecated]` stands there.
pub(crate) fn is_deprecated(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("deprecated"))
}

/// What is written in doc comments, as who reads the schema in another language can use it.
pub(crate) fn docs(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<_> = lines.map(|line| line.strip_prefix(' ').map_or(line.clone(), str::to_owned)).collect();
    without_items(lines.join("\n").trim())
}

/// Makes plain words of links to Rust items, which lead nowhere outside of rustdoc: of ``[`Order`](crate::Order)``
/// stays `` `Order` ``. Links to the web stay, and so does code. So does `[Order]` alone: it may mean just that.
fn without_items(text: &str) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !defines_item(line)).collect();
    let text = lines.join("\n");
    let (mut plain, mut rest) = (String::new(), text.as_str());
    while let Some(at) = rest.find(['[', '`', '\\']) {
        let (before, from) = rest.split_at(at);
        let (kept, length) = match link(from, &text) {
            Some(link) => link,
            None => (&from[..solid(from)], solid(from)),
        };
        plain.push_str(before);
        plain.push_str(kept);
        rest = &from[length..];
    }
    plain.push_str(rest);
    plain.trim_end().to_owned()
}

/// The words of the link to an item that `from` begins with, and how many bytes all of the link takes.
fn link<'a>(from: &'a str, text: &str) -> Option<(&'a str, usize)> {
    let words = enclosed(from, '[', ']')?;
    let length = words.len() + 2;
    let rest = &from[length..];
    if let Some(target) = enclosed(rest, '(', ')') {
        return (!is_web(target)).then_some((words, length + target.len() + 2));
    }
    let on_the_web = |label: &str| text.contains(&format!("[{label}]: http"));
    if let Some(label) = enclosed(rest, '[', ']').filter(|label| is_item(label)) {
        return (!on_the_web(label)).then_some((words, length + label.len() + 2));
    }
    let is_link = is_item(words) && (words.starts_with('`') || words.contains("::")) && !on_the_web(words);
    is_link.then_some((words, length))
}

/// What stands between the bracket that `from` begins with and the one that closes it, in the same paragraph.
fn enclosed(from: &str, open: char, close: char) -> Option<&str> {
    let inner = from.strip_prefix(open)?;
    let (mut depth, mut at) = (1, 0);
    while let Some(letter) = inner[at..].chars().next() {
        if letter == open {
            depth += 1;
        } else if letter == close {
            depth -= 1;
        }
        if depth == 0 {
            return Some(&inner[..at]).filter(|inner| !inner.contains("\n\n"));
        }
        at += solid(&inner[at..]);
    }
    None
}

/// How many bytes `from` begins with that are not looked into: a piece of code, an escaped letter, else one letter.
fn solid(from: &str) -> usize {
    let run = |text: &str| text.len() - text.trim_start_matches('`').len();
    let (ticks, mut letters) = (run(from), from.chars());
    if ticks == 0 {
        return match letters.next() {
            Some('\\') => 1 + letters.next().map_or(0, char::len_utf8),
            letter => letter.map_or(0, char::len_utf8),
        };
    }
    let mut end = ticks;
    while let Some(next) = from[end..].find('`') {
        let again = run(&from[end + next..]);
        end += next + again;
        if again == ticks {
            return end;
        }
    }
    ticks
}

/// Whether a line says what item a link leads to: ``[`Order`]: crate::Order``.
fn defines_item(line: &str) -> bool {
    let definition = line.trim_start().strip_prefix('[').and_then(|line| line.split_once("]: "));
    definition.is_some_and(|(label, target)| is_item(label) && !is_web(target))
}

fn is_web(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

/// Whether this may be a path in Rust, `Orders::find()` and `struct@Order` included.
fn is_item(label: &str) -> bool {
    let path = label.trim_matches('`');
    path.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && path.chars().all(|letter| letter.is_alphanumeric() || "_:@!()<>".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_items_become_plain_words() {
        for (written, read) in [
            ("is a [`OrderError::Conflict`].", "is a `OrderError::Conflict`."),
            ("see [`open`](Self::open()) first", "see `open` first"),
            ("is a [conflict of `two`](OrderError::Conflict)", "is a conflict of `two`"),
            ("see [the order][crate::Order], [Self::open]", "see the order, Self::open"),
            ("see [`Order`] and\n[it][o]\n\n[`Order`]: crate::Order\n[o]: crate::Order", "see `Order` and\nit"),
        ] {
            assert_eq!(without_items(written), read);
        }
    }

    #[test]
    fn all_else_stays() {
        for text in [
            "",
            "see [the paper](https://example.org/a_(b)) and [its authors](mailto:a@example.org)",
            "see [`prost`] and [the paper][paper]\n\n[`prost`]: https://docs.rs/prost\n[paper]: https://example.org",
            "one of [a, b], [0, 1), matrix[0][1], [Order], [x] and [^1]",
            "code: `a[`, `[`b`]`, ``[`c`](d)``",
            "```\n[`Order`](crate::Order)\n```",
            r"escaped: \[`Order`]",
            "open: [`Order, a `b",
            "바쁜 [가게",
        ] {
            assert_eq!(without_items(text), text);
        }
    }
}
