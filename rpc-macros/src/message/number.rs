//! The numbers of fields and variants, which are all that a message has of them on the wire.

use super::emit;
use crate::{
    attribute::Key,
    names::{is_identifier, no_name},
    report::Report,
};
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::quote_spanned;
use std::{collections::BTreeMap, fmt::Display, ops::RangeInclusive};
use syn::{Expr, ExprLit, Lit, LitInt, LitStr, RangeLimits};

/// Which numbers there are.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) enum Space {
    /// Of fields, and of variants with data, which are fields too.
    #[default]
    Fields,
    /// Of the variants of an enum without data.
    Variants,
}

impl Space {
    fn last(self) -> u32 {
        match self {
            Self::Fields => (1 << 29) - 1,
            Self::Variants => i32::MAX as u32,
        }
    }

    fn has(self, number: u32) -> bool {
        (1..=self.last()).contains(&number)
    }

    /// Why a number cannot be used.
    fn refusal(self, number: u32) -> Option<String> {
        match (self, number) {
            (Self::Variants, 0) => {
                Some("0 means that nobody said which: count from 1, or mark the variant `#[rpc(unknown)]`".to_owned())
            }
            (_, number) if !self.has(number) => Some(self.outside(number)),
            (Self::Fields, 19_000..=19_999) => {
                Some("protobuf keeps the field numbers from 19000 to 19999 for itself: choose another".to_owned())
            }
            _ => None,
        }
    }

    /// What is said of a number that is none of these.
    fn outside(self, number: impl Display) -> String {
        let what = match self {
            Self::Fields => "field",
            Self::Variants => "variant",
        };
        format!("{number} is no number of a {what}; write one from 1 to {}", self.last())
    }

    /// The number in `literal`, if it is one that fits.
    fn read(self, literal: &LitInt) -> syn::Result<u32> {
        literal.base10_parse().map_err(|_| syn::Error::new(literal.span(), self.outside(literal)))
    }
}

/// A number that was written down.
#[derive(Clone)]
pub(crate) struct Pinned {
    pub(crate) number: u32,
    pub(crate) span: Span,
}

impl Pinned {
    /// Reads the value of `tag = N`.
    pub(crate) fn parse(key: &Key, space: Space) -> syn::Result<Self> {
        let literal: LitInt = key.value("3")?;
        Ok(Self { number: space.read(&literal)?, span: literal.span() })
    }
}

/// Numbers and names that were used once and must not come back with another meaning.
#[derive(Default)]
pub(crate) struct Reserved {
    /// Of what they are the numbers and names.
    space: Space,
    /// With what was written.
    numbers: Vec<(RangeInclusive<u32>, Expr)>,
    names: Vec<LitStr>,
    /// The key itself, where it stands last.
    word: Option<Ident>,
}

impl Reserved {
    /// None yet.
    pub(crate) fn of(space: Space) -> Self {
        Self { space, ..Self::default() }
    }

    /// Reads `reserved(4, 7..=9, "old")`.
    pub(crate) fn parse(&mut self, key: &Key, report: &mut Report) -> syn::Result<()> {
        self.word = Some(key.word.clone());
        for item in key.parenthesised::<Expr>("4, 7..=9, \"old\"")? {
            match &item {
                Expr::Lit(ExprLit { lit: Lit::Str(name), .. }) => self.names.push(name.clone()),
                Expr::Lit(ExprLit { lit: Lit::Int(literal), .. }) => {
                    let number = self.space.read(literal)?;
                    self.numbers.push((number..=number, item));
                }
                Expr::Range(range) => match (literal(range.start.as_deref()), literal(range.end.as_deref())) {
                    (Some(first), Some(last)) if matches!(range.limits, RangeLimits::Closed(_)) => {
                        self.numbers.push((self.space.read(first)?..=self.space.read(last)?, item));
                    }
                    _ => report.at(&item, "write a range with both ends, as in `7..=9`"),
                },
                _ => report.at(&item, "reserve numbers, ranges such as `7..=9`, and names in quotes"),
            }
        }
        Ok(())
    }

    /// Reports it where nothing has a number or a name that could be reserved.
    pub(crate) fn refuse(&self, why: &str, report: &mut Report) {
        if let Some(word) = &self.word {
            report.at(word, why);
        }
    }

    /// Reports what protobuf would not compile.
    fn check(&self, report: &mut Report) {
        for (index, (range, written)) in self.numbers.iter().enumerate() {
            let again = self.numbers[..index].iter().find(|(other, _)| overlap(range, other));
            if range.is_empty() {
                report.at(written, "nothing is in this range: write the lower number first");
            } else if let Some(number) = [range.start(), range.end()].into_iter().find(|end| !self.space.has(**end)) {
                report.at(written, self.space.outside(number));
            } else if let Some((other, _)) = again {
                let number = range.start().max(other.start());
                report.at(written, format!("{number} is reserved already; remove one"));
            }
        }
        for (index, name) in self.names.iter().enumerate() {
            let text = name.value();
            if !is_identifier(&text) {
                report.at(name, no_name(&text, "old"));
            } else if self.names[..index].iter().any(|other| other.value() == text) {
                report.at(name, format!("`{text}` is reserved already; remove one"));
            }
        }
    }

    /// `.with_reserved(&[..])`, if there is anything, its names as `spell` has them on the wire.
    pub(crate) fn schema(&self, contract: &TokenStream, spell: impl Fn(&str) -> String) -> Option<TokenStream> {
        let numbers = self.numbers.iter().map(|(range, _)| {
            let (first, last) = (Literal::u32_unsuffixed(*range.start()), Literal::u32_unsuffixed(*range.end()));
            emit!(#contract::schema::Reserved::Numbers(#first, #last))
        });
        let names = self.names.iter().map(|name| {
            let name = spell(&name.value());
            emit!(#contract::schema::Reserved::Name(#name))
        });
        let all: Vec<_> = numbers.chain(names).collect();
        // Where it is written: that it has no meaning there may be known to the compiler alone.
        let here = Span::mixed_site().located_at(self.word.as_ref()?.span());
        (!all.is_empty()).then(|| quote_spanned!(here=> .with_reserved(&[#(#all),*])))
    }

    fn contains(&self, number: u32) -> bool {
        self.numbers.iter().any(|(range, _)| range.contains(&number))
    }
}

/// One field or variant that needs a number.
pub(crate) struct Claim {
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) pinned: Option<Pinned>,
}

/// Gives every claim its number: the one it is pinned to, else its position, counted from 1 over all claims, in which a
/// reserved number keeps its place. So a field that is removed and reserved moves no other.
pub(crate) fn assign(claims: &[Claim], reserved: &Reserved, report: &mut Report) -> Vec<u32> {
    reserved.check(report);
    let mut position = 0;
    let mut taken: BTreeMap<u32, usize> = BTreeMap::new();
    let mut numbers = Vec::with_capacity(claims.len());
    for claim in claims {
        position = (position + 1..).find(|position| !reserved.contains(*position)).unwrap_or(position);
        numbers.push(claim.pinned.as_ref().map_or(position, |pinned| pinned.number));
    }
    let free = (1..).find(|free| !numbers.contains(free) && !reserved.contains(*free)).unwrap_or(1);
    for (index, (claim, number)) in claims.iter().zip(&numbers).enumerate() {
        let span = claim.pinned.as_ref().map_or(claim.span, |pinned| pinned.span);
        if let Some(reason) = reserved.space.refusal(*number) {
            report.add(syn::Error::new(span, reason));
        } else if reserved.contains(*number) {
            let message =
                format!("{number} is reserved: it had another meaning once; the lowest that is free is {free}");
            report.add(syn::Error::new(span, message));
        } else if let Some(other) = taken.insert(*number, index) {
            let (pinned, other) =
                if claim.pinned.is_some() { (claim, &claims[other]) } else { (&claims[other], claim) };
            let span = pinned.pinned.as_ref().map_or(pinned.span, |pinned| pinned.span);
            let name = &other.name;
            let how = if other.pinned.is_some() { "" } else { " by its position" };
            let message = format!("`{name}` has the number {number}{how}; the lowest that is free is {free}");
            report.add(syn::Error::new(span, message));
        }
        if reserved.names.iter().any(|name| name.value() == claim.name) {
            let message = format!("the name `{}` is reserved: it had another meaning once; choose another", claim.name);
            report.add(syn::Error::new(claim.span, message));
        }
    }
    numbers
}

fn overlap(a: &RangeInclusive<u32>, b: &RangeInclusive<u32>) -> bool {
    a.start() <= b.end() && b.start() <= a.end()
}

fn literal(expression: Option<&Expr>) -> Option<&LitInt> {
    match expression {
        Some(Expr::Lit(ExprLit { lit: Lit::Int(literal), .. })) => Some(literal),
        _ => None,
    }
}
