//! Types that cannot be sent whatever they implement, with what to write instead.
//!
//! This is only a kindness: an alias hides a type from it, and rustc then says that a trait is missing.

use syn::{GenericArgument, PathArguments, Type};

/// Why a type cannot be a field, an argument or a reply, at the token to blame.
pub(crate) fn refusal(ty: &Type) -> Option<syn::Error> {
    let refuse = |why: &str| Some(syn::Error::new_spanned(ty, why));
    match ty {
        Type::Group(group) => refusal(&group.elem),
        Type::Paren(paren) => refusal(&paren.elem),
        Type::Reference(reference) => match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => refuse("what is sent has to be owned: use `String`"),
            Type::Slice(_) => refuse("what is sent has to be owned: use `Vec`"),
            _ => refuse("what is sent has to be owned: leave out the `&`"),
        },
        Type::Tuple(tuple) if !tuple.elems.is_empty() => {
            refuse("protobuf has no tuples: use a struct with named fields")
        }
        Type::Array(_) => refuse("protobuf has no arrays: use `Vec`"),
        Type::Slice(_) => refuse("what is sent has to be owned: use `Vec`"),
        Type::ImplTrait(_) | Type::TraitObject(_) => refuse("what is sent has to be one type: use an enum with data"),
        Type::BareFn(_) | Type::Ptr(_) | Type::Never(_) => refuse("this cannot be sent: it means nothing elsewhere"),
        Type::Path(path) if path.qself.is_none() => named(ty, &path.path),
        _ => None,
    }
}

fn named(ty: &Type, path: &syn::Path) -> Option<syn::Error> {
    let name = path.segments.last()?.ident.to_string();
    let refuse = |why: &str| Some(syn::Error::new_spanned(ty, why));
    let arguments = arguments(path);
    match (name.as_str(), arguments.as_slice()) {
        ("u8", []) => refuse("protobuf has no `u8`: use `u32` for a number; bytes are `Vec<u8>`"),
        ("usize", []) => refuse("protobuf has no `usize`, whose width differs between machines: use `u64`"),
        ("isize", []) => refuse("protobuf has no `isize`, whose width differs between machines: use `i64`"),
        ("u128" | "i128", []) => refuse("protobuf's integers have at most 64 bits: use `String` or `Vec<u8>`"),
        ("char", []) => refuse("protobuf has no `char`: use `String`"),
        ("str", []) => refuse("what is sent has to be owned: use `String`"),
        ("Vec", [item]) if is_byte(item) => None,
        ("Vec", [item]) => match collection(item) {
            Some(what) => {
                let why =
                    format!("protobuf has no lists of {what}: put a struct in between, which holds the inner one");
                Some(syn::Error::new_spanned(item, why))
            }
            None => refusal(item),
        },
        ("Option", [item]) => match collection(item) {
            Some(what) => {
                let why =
                    format!("protobuf has no optional {what}: leave out the `Option`, or put a struct in between");
                Some(syn::Error::new_spanned(item, why))
            }
            None => refusal(item),
        },
        ("HashMap" | "BTreeMap", [key, value, ..]) => match collection(value) {
            Some(what) => {
                let why = format!("protobuf has no maps of {what}: put a struct in between, which holds the inner one");
                Some(syn::Error::new_spanned(value, why))
            }
            None => unfit_key(key).or_else(|| refusal(key)).or_else(|| refusal(value)),
        },
        ("HashSet" | "BTreeSet" | "VecDeque", [_]) => refuse("protobuf has only lists and maps: use `Vec`"),
        ("Box", [item]) => refusal(item),
        ("Streaming", [_, ..]) => {
            refuse("a stream cannot be part of a message: it is an argument or a reply of its own; a list is `Vec`")
        }
        _ => None,
    }
}

/// What kind of collection a type is, if it is one; bytes are none.
pub(crate) fn collection(ty: &Type) -> Option<&'static str> {
    let Type::Path(path) = ty else { return None };
    match (path.path.segments.last()?.ident.to_string().as_str(), arguments(&path.path).as_slice()) {
        ("Vec", [item]) => (!is_byte(item)).then_some("lists"),
        ("Option", [_]) => Some("optional values"),
        ("HashMap" | "BTreeMap", [_, _, ..]) => Some("maps"),
        _ => None,
    }
}

/// Why a type cannot be the key of a map.
fn unfit_key(ty: &Type) -> Option<syn::Error> {
    let Type::Path(path) = ty else { return None };
    let name = path.path.segments.last()?.ident.to_string();
    let unfit = matches!(name.as_str(), "f32" | "f64" | "Vec" | "Option" | "Bytes" | "Duration" | "SystemTime");
    unfit.then(|| {
        syn::Error::new_spanned(
            ty,
            format!("protobuf has no maps by `{name}`: keys are whole numbers, `bool`, `String` and newtypes of these"),
        )
    })
}

fn is_byte(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.is_ident("u8"))
}

fn arguments(path: &syn::Path) -> Vec<&Type> {
    let Some(PathArguments::AngleBracketed(arguments)) = path.segments.last().map(|segment| &segment.arguments) else {
        return Vec::new();
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.collect()
}
