//! Names as protobuf's compiler makes them.

/// `a.b` and `C` are `a.b.C`; without a package a name is itself.
pub(super) fn join(package: &str, name: &str) -> String {
    if package.is_empty() { name.to_owned() } else { format!("{package}.{name}") }
}

/// `a.b` of `a.b.C`.
pub(super) fn parent(full_name: &str) -> &str {
    full_name.rsplit_once('.').map_or("", |(parent, _)| parent)
}

/// `placed_at` is `placedAt` in JSON.
pub(super) fn json(name: &str) -> String {
    raise(name, false)
}

/// The entries of a map `by_store` are messages `ByStoreEntry`.
pub(super) fn entry(name: &str) -> String {
    raise(name, true) + "Entry"
}

fn raise(name: &str, mut next: bool) -> String {
    let mut raised = String::new();
    for letter in name.chars() {
        match letter {
            '_' => next = true,
            letter if next => {
                raised.push(letter.to_ascii_uppercase());
                next = false;
            }
            letter => raised.push(letter),
        }
    }
    raised
}

/// `NotFound` is `NOT_FOUND`.
pub(super) fn screaming(name: &str) -> String {
    snake(name).to_ascii_uppercase()
}

/// `OrderError` is `order_error`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// Documentation with one more paragraph.
pub(super) fn paragraphs(docs: &str, more: &str) -> String {
    if docs.is_empty() { more.to_owned() } else { format!("{docs}\n\n{more}") }
}

/// The file of a package; without a package, that of what comes first in it.
pub(super) fn file(package: &str, first: &str) -> String {
    if !package.is_empty() {
        return format!("{}.proto", package.replace('.', "/"));
    }
    snake(first) + ".proto"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_protoc() {
        assert_eq!((json("placed_at"), json("_a_b"), json("a1_b2")), ("placedAt".into(), "AB".into(), "a1B2".into()));
        assert_eq!((entry("by_store"), entry("x")), ("ByStoreEntry".into(), "XEntry".into()));
        assert_eq!((file("a.b.v1", "C"), file("", "OrderError")), ("a/b/v1.proto".into(), "order_error.proto".into()));
    }
}
