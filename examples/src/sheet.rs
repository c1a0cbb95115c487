//! Orders in a CSV file.

use crate::{Item, Order, Payment};
use serde::Deserialize;
use std::{fmt, io, path::Path};

/// The orders of a file, and what was wrong with its other lines.
#[derive(Debug, Default)]
pub struct Sheet {
    /// In the order of the file.
    pub orders: Vec<Order>,
    /// Where each order begins, counted from 1.
    pub lines: Vec<u64>,
    /// In the order of the file.
    pub mistakes: Vec<Mistake>,
}

/// A line that is no order.
#[derive(Debug)]
pub struct Mistake {
    /// Where it begins, counted from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// A line as it is written. `items` is `NAME xQUANTITY @PRICE`, joined by semicolons.
#[derive(Deserialize)]
struct Row {
    number: String,
    customer: String,
    address: String,
    store: String,
    items: String,
    payment: Payment,
    note: Option<String>,
}

impl Sheet {
    /// The orders that are compiled into the examples: a thousand, and eight lines that are none.
    pub const SAMPLE: &'static str = include_str!("../orders.csv");

    /// Reads a file with the columns number, customer, address, store, items, payment and note. A line that is no
    /// order is a [`Mistake`], and the next one is read.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::read(std::fs::File::open(path)?))
    }

    /// Reads orders from anywhere; see [`open`](Self::open).
    pub fn read(from: impl io::Read) -> Self {
        let mut sheet = Self::default();
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(from);
        let mut rows = reader.deserialize::<Row>();
        loop {
            let before = rows.reader().position().line();
            let Some(row) = rows.next() else { break };
            // Before the first row the header is not read yet.
            let before = before.max(2);
            let line = row.as_ref().err().and_then(csv::Error::position).map_or(before, csv::Position::line);
            match row.map_err(|error| explain(&error)).and_then(Row::into_order) {
                Ok(order) => {
                    sheet.orders.push(order);
                    sheet.lines.push(line);
                }
                Err(reason) => sheet.mistakes.push(Mistake { line, reason }),
            }
        }
        sheet
    }
}

/// The error without the position, which stands before it anyway.
fn explain(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("it has {len} fields instead of {expected_len}")
        }
        _ => error.to_string(),
    }
}

impl Row {
    fn into_order(self) -> Result<Order, String> {
        let items = self.items.split(';').map(str::trim).filter(|item| !item.is_empty());
        let order = Order {
            number: self.number,
            customer: self.customer,
            address: self.address,
            store: self.store,
            items: items.map(parse_item).collect::<Result<_, _>>()?,
            payment: self.payment,
            note: self.note.filter(|note| !note.is_empty()),
        };
        order.check().map_err(|error| error.to_string())?;
        Ok(order)
    }
}

/// Reads `NAME xQUANTITY @PRICE`, from its end: names may hold anything.
///
/// # Errors
/// A sentence with the form that was expected.
pub fn parse_item(text: &str) -> Result<Item, String> {
    let wrong = || format!("`{text}` is no item: write NAME xQUANTITY @PRICE, as in `짜장면 x2 @7000`");
    let (rest, price) = text.rsplit_once('@').ok_or_else(wrong)?;
    let (name, quantity) = rest.trim_end().rsplit_once(" x").ok_or_else(wrong)?;
    let (quantity, price) = (quantity.trim().parse(), price.trim().parse());
    match (name.trim(), quantity, price) {
        ("", ..) => Err(wrong()),
        (name, Ok(quantity), Ok(price)) => Ok(Item { name: name.to_owned(), quantity, price }),
        _ => Err(wrong()),
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_has_a_thousand_orders_and_eight_mistakes() {
        let sheet = Sheet::read(Sheet::SAMPLE.as_bytes());
        assert_eq!(sheet.orders.len(), 1000);
        let numbers: std::collections::HashSet<_> = sheet.orders.iter().map(|order| &order.number).collect();
        assert_eq!(numbers.len(), 1000);
        assert!(sheet.orders.iter().any(|order| order.note.as_ref().is_some_and(|note| note.contains('\n'))));
        let text: Vec<_> = Sheet::SAMPLE.lines().collect();
        for (order, line) in sheet.orders.iter().zip(&sheet.lines) {
            let line = text[usize::try_from(*line).unwrap() - 1];
            assert!(line.starts_with(&order.number), "{} is not on `{line}`", order.number);
        }
        for (mistake, part) in sheet.mistakes.iter().zip([
            "BD-9001",
            "BD-9002",
            "BD-9003",
            ",최지우",
            "BD-9005",
            "../../etc",
            "BD-9007",
            "BD-9008",
        ]) {
            let line = text[usize::try_from(mistake.line).unwrap() - 1];
            assert!(line.starts_with(part), "{mistake}, but that line is {line}");
        }
        assert_eq!(sheet.mistakes.len(), 8);
    }

    #[test]
    fn items_are_read_from_their_end() {
        let item = parse_item("모둠초밥 x 12p x3 @22000").unwrap();
        assert_eq!((item.name.as_str(), item.quantity, item.price), ("모둠초밥 x 12p", 3, 22_000));
        for text in ["", "x2 @1", "짜장면", "짜장면 @7000", "짜장면 x2", "짜장면 x두개 @7000", "짜장면 x-1 @7000"]
        {
            assert!(parse_item(text).unwrap_err().contains("as in"), "{text}");
        }
    }
}
