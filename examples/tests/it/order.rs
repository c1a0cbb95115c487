//! An order to place.

use orders::{Item, Order, Payment};

pub(crate) fn order(number: &str) -> Order {
    Order {
        number: number.into(),
        customer: "김민준".into(),
        address: "서울 강남구 테헤란로 152".into(),
        store: "교동반점".into(),
        items: vec![Item { name: "짜장면".into(), quantity: 2, price: 7000 }],
        payment: Payment::Card,
        note: None,
    }
}
