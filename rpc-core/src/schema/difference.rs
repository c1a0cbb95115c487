//! What has changed between two `.proto` texts, in words.

use std::collections::BTreeMap;

/// What somebody who reads `new` where `old` was expected has to know, a sentence each; nothing if the texts are equal.
///
/// Both are texts of [`Schema::files`](super::Schema::files): a declaration on a line.
pub fn differences(old: &str, new: &str) -> Vec<String> {
    if old == new {
        return Vec::new();
    }
    let (old, new) = (Declared::read(old), Declared::read(new));
    let mut found = Vec::new();
    for (name, was) in &old.0 {
        found.extend(match (was, new.0.get(name)) {
            (_, Some(is)) if is == was => None,
            (Entry::Field { number: was, .. }, Some(Entry::Field { number: is, .. })) if was != is => Some(format!(
                "`{name}` has moved: its number was {was} and is {is}, where others put something else. Keep it with \
                 `#[rpc(tag = {was})]`, or keep the place of what was removed before it with `#[rpc(reserved({is}))]`"
            )),
            (was, Some(is)) => Some(format!("`{name}` was `{}` and is `{}`", was.text(), is.text())),
            (Entry::Field { number, .. }, None) => Some(new.gone(name, *number, &old)),
            (was, None) => Some(format!("`{}` is gone", was.text())),
        });
    }
    for (name, is) in new.0.iter().filter(|(name, _)| !old.0.contains_key(*name)) {
        if !matches!(is, Entry::Field { number, .. } if old.field(parent(name), *number).is_some()) {
            found.push(format!("`{}` is new{}", is.text(), within(name)));
        }
    }
    if found.is_empty() {
        found.push("nothing that is on the wire; only words, or the order of declarations".to_owned());
    }
    found
}

/// What is declared in a text, by its name with all that it is in.
struct Declared(BTreeMap<String, Entry>);

#[derive(PartialEq)]
enum Entry {
    Field { number: u32, text: String },
    Other { text: String },
}

impl Entry {
    fn text(&self) -> &str {
        match self {
            Self::Field { text, .. } | Self::Other { text } => text,
        }
    }
}

impl Declared {
    fn read(text: &str) -> Self {
        let mut entries = BTreeMap::new();
        let mut blocks: Vec<String> = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")) {
            let words: Vec<_> = line.split([' ', '(']).collect();
            let path = |name: &str| {
                let outer = blocks.iter().filter(|block| !block.is_empty()).map(String::as_str);
                outer.chain([name]).collect::<Vec<_>>().join(".")
            };
            if line == "}" {
                blocks.pop();
                continue;
            }
            let text = line.trim_end_matches([';', '{']).trim_end().to_owned();
            match (&*words, text.split_once(" = ")) {
                (["message" | "enum" | "service" | "rpc", name, ..], _) => {
                    entries.insert(path(name), Entry::Other { text });
                    if line.ends_with('{') {
                        blocks.push((*name).to_owned());
                    }
                }
                // Its members are members of the message.
                (["oneof", ..], _) => blocks.push(String::new()),
                (["syntax" | "option" | "reserved" | "import" | "package", ..], _) | (_, None) => {
                    entries.insert(path(&text), Entry::Other { text });
                }
                (_, Some((declared, number))) => {
                    let name = declared.rsplit(' ').next().unwrap_or(declared);
                    let number = number.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
                    entries.insert(path(name), Entry::Field { number, text });
                }
            }
        }
        Self(entries)
    }

    /// The field of a message with a number.
    fn field(&self, message: &str, number: u32) -> Option<&str> {
        let of = |(name, entry): &(&String, &Entry)| {
            parent(name) == message && matches!(entry, Entry::Field { number: other, .. } if *other == number)
        };
        self.0.iter().find(of).map(|(name, _)| name.as_str())
    }

    fn gone(&self, name: &str, number: u32, old: &Self) -> String {
        let own = name.rsplit('.').next().unwrap_or(name);
        match self.field(parent(name), number) {
            Some(other) if !old.0.contains_key(other) => {
                format!(
                    "`{name}` is called `{}` now: the same bytes, other JSON",
                    other.rsplit('.').next().unwrap_or(other)
                )
            }
            Some(other) => format!("`{name}` is gone, and `{other}` has its number {number}"),
            None => format!(
                "`{name}` is gone: keep its number from coming back with another meaning, by \
                 `#[rpc(reserved({number}, \"{own}\"))]` on the type, or on the method whose argument it was"
            ),
        }
    }
}

fn parent(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(parent, _)| parent)
}

fn within(name: &str) -> String {
    match parent(name) {
        "" => String::new(),
        parent => format!(" in `{parent}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r#"syntax = "proto3";

package a.v1;

// Finds.
service Orders {
  // Finds.
  rpc Find(Key) returns (Order) {
    option idempotency_level = IDEMPOTENT;
  }
}

message Empty {}

message Order {
  string number = 1;
  uint32 count = 2;
  optional string note = 3;
}

message Payment {
  oneof kind {
    uint64 cash = 1;
  }
}
"#;

    fn moved(from: &str, to: &str) -> Vec<String> {
        assert!(OLD.contains(from), "{from}");
        differences(OLD, &OLD.replace(from, to))
    }

    #[test]
    fn a_field_that_moved_is_named() {
        assert_eq!(differences(OLD, OLD), Vec::<String>::new());
        let said = moved("  uint32 count = 2;\n  optional string note = 3;", "  optional string note = 2;");
        assert_eq!(said.len(), 2, "{said:#?}");
        assert!(said[0].starts_with("`Order.count` is gone, and `Order.note` has its number 2"), "{said:#?}");
        assert!(said[1].starts_with("`Order.note` has moved: its number was 3 and is 2"), "{said:#?}");
    }

    #[test]
    fn arguments_are_kept_as_fields_are() {
        let old = "message OrdersFindRequest {\n  string number = 1;\n  bool whole = 2;\n}\n";
        let said = differences(old, "message OrdersFindRequest {\n  bool whole = 1;\n}\n");
        let kept = "`#[rpc(tag = 2)]`, or keep the place of what was removed before it with `#[rpc(reserved(1))]`";
        assert!(said.iter().any(|said| said.ends_with(kept)), "{said:#?}");
        let said = differences(old, "message OrdersFindRequest {\n  string number = 1;\n}\n");
        let retired = "by `#[rpc(reserved(2, \"whole\"))]` on the type, or on the method whose argument it was";
        assert!(said[0].ends_with(retired), "{said:#?}");
    }

    #[test]
    fn other_changes_are_told_for_what_they_are() {
        assert!(moved("uint32 count", "uint64 count")[0].contains("was `uint32 count = 2` and is `uint64 count = 2`"));
        assert!(moved("string number", "string id")[0].contains("`Order.number` is called `id` now"));
        assert!(moved("  uint32 count = 2;\n", "")[0].contains("reserved(2, \"count\")"));
        assert_eq!(moved("= 3;", "= 3;\n  bool new = 4;"), ["`bool new = 4` is new in `Order`"]);
        assert_eq!(
            moved("uint64 cash = 1;", "uint64 cash = 1;\n    Card card = 2;"),
            ["`Card card = 2` is new in `Payment`"]
        );
        assert_eq!(moved("message Empty {}\n", ""), ["`message Empty {}` is gone"]);
        assert!(moved("IDEMPOTENT", "X")[0].contains("IDEMPOTENT"));
        assert!(moved("returns (Order)", "returns (stream Order)")[0].starts_with("`Orders.Find` was `rpc Find(Key)"));
        assert!(moved("// Finds.", "// Finds an order.")[0].contains("only words"));
    }
}
