//! The variants of an error: those with a code, and the one that holds a status.

use crate::{
    attribute,
    docs::docs,
    message::{Container, Fields, Owner, Reserved},
    names::name_of,
    report::{Report, list, suggestion},
};
use proc_macro2::{Ident, Span};
use quote::{ToTokens, format_ident};
use syn::{DataEnum, Index, Member, Type, ext::IdentExt, spanned::Spanned};

/// The names in `rpc::Code`.
const CODES: [&str; 16] = [
    "Cancelled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// The variants of an error.
#[derive(Default)]
pub(super) struct Variants {
    pub(super) business: Vec<Business>,
    pub(super) status: Option<Holder>,
    /// Whether somebody else (thiserror, by `#[from]`) implements `From<Status>`.
    pub(super) has_from: bool,
}

/// The variant that holds a status.
pub(super) struct Holder {
    pub(super) ident: Ident,
    pub(super) member: Member,
    /// A `Status`, if all is well.
    pub(super) ty: Type,
}

/// A failure that callers tell apart.
pub(super) struct Business {
    pub(super) ident: Ident,
    pub(super) code: Ident,
    /// The name of the detail, with the package.
    pub(super) name: String,
    pub(super) fields: Fields,
    /// The last part of its name.
    pub(super) word: String,
    pub(super) docs: String,
    pub(super) reserved: Reserved,
    /// The hidden struct that reads the fields.
    pub(super) slots: Ident,
}

/// What is written on a variant.
#[derive(Default)]
struct Marks {
    code: Option<Ident>,
    code_at: Option<Span>,
    is_status: bool,
    name: Option<String>,
    reserved: Reserved,
}

impl Variants {
    pub(super) fn parse(container: &Container, data: &DataEnum, report: &mut Report) -> Self {
        let mut variants = Self::default();
        for variant in &data.variants {
            let marks = Marks::parse(variant, report);
            let from = variant.fields.iter().find(|field| field.attrs.iter().any(|a| a.path().is_ident("from")));
            let is_status =
                marks.is_status || (marks.code_at.is_none() && from.is_some_and(|field| is_status(&field.ty)));
            if is_status {
                variants.has_from |= from.is_some();
                variants.hold_status(variant, &marks, report);
            } else if let Some(business) = Business::parse(container, variant, marks, report) {
                variants.business.push(business);
            }
        }
        if variants.status.is_none() && report.is_empty() {
            let why = "one variant has to hold whatever the wire, the deadline or the fleet did: add \
                       `Rpc(#[from] rpc::Status)` with thiserror, else `#[rpc(status)] Rpc(rpc::Status)`";
            report.at(&container.ident, why);
        }
        variants
    }

    fn hold_status(&mut self, variant: &syn::Variant, marks: &Marks, report: &mut Report) {
        if let Some(span) = marks.code_at {
            report.add(syn::Error::new(
                span,
                "a variant that holds a status has the code of that status: leave out `code`",
            ));
        }
        let mut fields = variant.fields.iter();
        match (fields.next(), fields.next()) {
            (Some(field), None) => {
                let member = field.ident.clone().map_or_else(|| Member::Unnamed(Index::from(0)), Member::Named);
                if let Some(Holder { ident, .. }) = &self.status {
                    let why = format!("`{ident}` holds a status already, and one variant has to be the one");
                    report.at(&variant.ident, why);
                } else {
                    self.status = Some(Holder { ident: variant.ident.clone(), member, ty: field.ty.clone() });
                }
            }
            _ => report.at(variant, "this variant has to hold an `rpc::Status` and nothing else"),
        }
    }
}

impl Marks {
    fn parse(variant: &syn::Variant, report: &mut Report) -> Self {
        let mut marks = Self::default();
        attribute::each(&variant.attrs, &["code", "status", "name", "reserved"], report, |word, key, report| {
            match word {
                "code" => {
                    marks.code_at = Some(key.word.span());
                    let value: syn::Expr = key.value("NotFound")?;
                    marks.code_at = Some(value.span());
                    marks.code = code(&value, report);
                }
                "status" => {
                    marks.is_status = true;
                    key.alone()?;
                }
                "name" => marks.name = Some(name_of(key, "NotFound")?),
                _ => marks.reserved.parse(key, report)?,
            }
            Ok(())
        });
        marks
    }
}

impl Business {
    fn parse(container: &Container, variant: &syn::Variant, marks: Marks, report: &mut Report) -> Option<Self> {
        if marks.code_at.is_none() {
            let codes = list(&CODES);
            let why = format!("say with which code this travels: `#[rpc(code = ..)]` with one of {codes}");
            report.at(&variant.ident, why);
        }
        let word = marks.name.unwrap_or_else(|| variant.ident.unraw().to_string());
        let name = format!("{}.{word}", container.full_name());
        let owner = Owner { name: &format!("{}.{word}", container.name), reserved: &marks.reserved };
        let fields = Fields::parse(owner, &variant.fields, container, report);
        Some(Self {
            ident: variant.ident.clone(),
            code: marks.code?,
            fields,
            word,
            docs: docs(&variant.attrs),
            reserved: marks.reserved,
            slots: format_ident!("__{}{}Slots", container.ident.unraw(), variant.ident.unraw()),
            name,
        })
    }
}

/// `NotFound`, or a path that ends so.
fn code(value: &syn::Expr, report: &mut Report) -> Option<Ident> {
    let word = match value {
        syn::Expr::Path(path) => path.path.segments.last().map(|segment| &segment.ident),
        _ => None,
    };
    let text = word.map_or_else(|| value.to_token_stream().to_string(), Ident::to_string);
    if CODES.contains(&text.as_str()) {
        return word.cloned();
    }
    report.at(value, format!("there is no code `{text}`{}", suggestion(&text, &CODES)));
    None
}

fn is_status(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == "Status"))
}
