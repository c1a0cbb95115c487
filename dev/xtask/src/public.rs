//! Whose types stand in what we publish: the next major version of such a crate is one of ours, so there is a list.
//!
//! Read from the sources, without a compiler: what is `pub` can be reached (rustc's lint `unreachable_pub` sees to
//! that), and where a name comes from stands in the `use` of its file. A type that reaches a signature by way of an
//! alias or a re-export of our own is found where that is written.

use crate::tidy::File;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use syn::{
    Attribute, ImplItem, Item, ItemImpl, TraitItem, Type, UseTree, Visibility,
    visit::{self, Visit},
};

/// The crates that others depend on. (`rpc-macros` publishes macros, whose output the facade answers for.)
const LIBRARIES: [&str; 6] = ["rpc", "rpc-core", "rpc-grpc", "rpc-tarpc", "rpc-tls", "rpc-zookeeper"];

/// What is public and not on the list of ARCHITECTURE.md, and what is on it and not public.
pub(crate) fn check(files: &[File]) -> Result<Vec<String>> {
    let text = |path: &str| files.iter().find(|file| file.path == path).map(|file| &file.text);
    let architecture = text("ARCHITECTURE.md").context("ARCHITECTURE.md")?;
    let section = architecture.split("\n## ").find(|section| section.starts_with("Public dependencies"));
    let section = section.context("ARCHITECTURE.md has no section `## Public dependencies`")?;
    let listed: BTreeSet<_> = section.split('`').skip(1).step_by(2).collect();
    let (mut known, mut public) = (BTreeSet::new(), BTreeMap::new());
    for library in LIBRARIES {
        let manifest = text(&format!("{library}/Cargo.toml")).with_context(|| format!("{library}/Cargo.toml"))?;
        let dependencies = dependencies(manifest);
        public.extend(surface(library, files, &dependencies)?);
        known.extend(dependencies);
    }
    let missing = public.iter().filter(|(name, _)| !listed.contains(name.as_str()));
    let missing = missing.map(|(name, at)| format!("{at}: {name} is public; list it in ARCHITECTURE.md, or hide it"));
    let gone = listed.iter().filter(|name| known.contains(**name) && !public.contains_key(**name));
    Ok(missing.chain(gone.map(|name| format!("ARCHITECTURE.md: {name} is not public any more"))).collect())
}

/// What a manifest depends on, but for our own crates.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let lines = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let lines = lines.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split(['.', ' ', '=']).next());
    lines.filter(|name| !name.is_empty() && !name.starts_with("rpc-")).map(str::to_owned).collect()
}

/// The dependencies that are public in a library, each with a file where it is.
fn surface(library: &str, files: &[File], dependencies: &BTreeSet<String>) -> Result<BTreeMap<String, String>> {
    let sources = files.iter().filter(|file| file.path.starts_with(&format!("{library}/src/")));
    let sources = sources.filter(|file| file.path.ends_with(".rs"));
    let parsed = sources.map(|file| Ok((&file.path, syn::parse_file(&file.text).context(file.path.clone())?)));
    let parsed: Vec<_> = parsed.collect::<Result<_>>()?;
    let mut names = Names::default();
    parsed.iter().for_each(|(_, file)| names.read(&file.items));
    let mut found = BTreeMap::new();
    for (path, file) in &parsed {
        let mut mentions = Mentions::default();
        mentions.items(&file.items, &names);
        for name in &mentions.first_segments {
            let name = mentions.imports.get(name).unwrap_or(name);
            if let Some(dependency) = dependencies.iter().find(|dependency| dependency.replace('-', "_") == *name) {
                found.entry(dependency.clone()).or_insert_with(|| (*path).clone());
            }
        }
    }
    Ok(found)
}

/// The types and traits that a library defines.
#[derive(Default)]
struct Names {
    public: BTreeSet<String>,
    private: BTreeSet<String>,
}

impl Names {
    fn read(&mut self, items: &[Item]) {
        for item in items {
            let (attributes, visibility, name) = match item {
                Item::Struct(it) => (&it.attrs, &it.vis, &it.ident),
                Item::Enum(it) => (&it.attrs, &it.vis, &it.ident),
                Item::Trait(it) => (&it.attrs, &it.vis, &it.ident),
                Item::Mod(it) => {
                    it.content.iter().for_each(|(_, items)| self.read(items));
                    continue;
                }
                _ => continue,
            };
            let shown = is_public(visibility) && !is_hidden(attributes);
            let names = if shown { &mut self.public } else { &mut self.private };
            names.insert(name.to_string());
        }
    }

    /// Whether an implementation is seen from outside: of a public type, or of a public trait for somebody else's type;
    /// and of no private trait.
    fn shows(&self, item: &ItemImpl) -> bool {
        let last = |path: &syn::Path| path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        let of = match &*item.self_ty {
            Type::Path(path) => last(&path.path),
            _ => String::new(),
        };
        let what = item.trait_.as_ref().map(|(_, path, _)| last(path)).unwrap_or_default();
        let (shown, private) = (self.public.contains(&what), self.private.contains(&what));
        self.public.contains(&of) && (shown || !private) || shown && !self.private.contains(&of)
    }
}

/// What a file mentions in public.
#[derive(Default)]
struct Mentions {
    /// The crate that each imported name comes from.
    imports: BTreeMap<String, String>,
    /// Of every path.
    first_segments: BTreeSet<String>,
}

impl Mentions {
    fn items(&mut self, items: &[Item], names: &Names) {
        for item in items {
            match item {
                Item::Use(it) => {
                    let exported = is_public(&it.vis) && !is_hidden(&it.attrs);
                    self.import(&it.tree, None, exported);
                }
                Item::Mod(it) if !is_hidden(&it.attrs) => {
                    it.content.iter().for_each(|(_, items)| self.items(items, names));
                }
                Item::Fn(it) if is_public(&it.vis) && !is_hidden(&it.attrs) => self.visit_signature(&it.sig),
                Item::Struct(it) if is_public(&it.vis) && !is_hidden(&it.attrs) => {
                    self.visit_generics(&it.generics);
                    it.fields.iter().filter(|field| is_public(&field.vis)).for_each(|field| self.visit_type(&field.ty));
                }
                Item::Enum(it) if is_public(&it.vis) && !is_hidden(&it.attrs) => visit::visit_item_enum(self, it),
                Item::Type(it) if is_public(&it.vis) && !is_hidden(&it.attrs) => visit::visit_item_type(self, it),
                Item::Const(it) if is_public(&it.vis) && !is_hidden(&it.attrs) => self.visit_type(&it.ty),
                Item::Trait(it) if is_public(&it.vis) && !is_hidden(&it.attrs) => {
                    self.visit_generics(&it.generics);
                    it.supertraits.iter().for_each(|bound| self.visit_type_param_bound(bound));
                    for item in &it.items {
                        match item {
                            TraitItem::Fn(it) if !is_hidden(&it.attrs) => self.visit_signature(&it.sig),
                            TraitItem::Type(it) => visit::visit_trait_item_type(self, it),
                            _ => {}
                        }
                    }
                }
                Item::Impl(it) if names.shows(it) && !is_hidden(&it.attrs) => self.implementation(it),
                _ => {}
            }
        }
    }

    fn implementation(&mut self, item: &ItemImpl) {
        self.visit_generics(&item.generics);
        self.visit_type(&item.self_ty);
        item.trait_.iter().for_each(|(_, path, _)| self.visit_path(path));
        for inner in &item.items {
            match inner {
                ImplItem::Fn(it) if is_public(&it.vis) && !is_hidden(&it.attrs) => self.visit_signature(&it.sig),
                ImplItem::Type(it) => self.visit_type(&it.ty),
                _ => {}
            }
        }
    }

    fn import(&mut self, tree: &UseTree, from: Option<&str>, exported: bool) {
        let (name, kept) = match tree {
            UseTree::Path(path) => {
                let first = path.ident.to_string();
                return self.import(&path.tree, Some(from.unwrap_or(&first)), exported);
            }
            UseTree::Group(group) => return group.items.iter().for_each(|tree| self.import(tree, from, exported)),
            UseTree::Name(name) => (name.ident.to_string(), name.ident.to_string()),
            UseTree::Rename(name) => (name.ident.to_string(), name.rename.to_string()),
            UseTree::Glob(_) => (String::new(), "*".to_owned()),
        };
        let from = from.unwrap_or(&name).to_owned();
        if exported {
            self.first_segments.insert(from.clone());
        }
        self.imports.insert(kept, from);
    }
}

impl<'ast> Visit<'ast> for Mentions {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.first_segments.extend(path.segments.first().map(|segment| segment.ident.to_string()));
        visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Not for users, or not built for them.
fn is_hidden(attributes: &[Attribute]) -> bool {
    let says = |attribute: &Attribute, word: &str| {
        attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == word)
    };
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("doc") && says(attribute, "hidden")
            || attribute.path().is_ident("cfg") && says(attribute, "test")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[package]\nname = \"x\"\n[dependencies]\nbytes.workspace = true\nfutures-core = \"1\"\n\
                            prost = { version = \"1\" }\nrpc-core.workspace = true\n[dev-dependencies]\ntempfile = \"1\"\n";

    fn found(text: &str) -> Vec<String> {
        let files = [File { path: "rpc/src/lib.rs".to_owned(), text: text.to_owned() }];
        surface("rpc", &files, &dependencies(MANIFEST)).unwrap().into_keys().collect()
    }

    #[test]
    fn what_is_public_is_found_wherever_it_stands() {
        for text in [
            "use bytes::Bytes; pub fn f() -> Vec<Bytes> { .. }",
            "use bytes::{Buf, Bytes as Octets}; pub struct A(pub Option<Octets>);",
            "pub enum A { B { c: bytes::Bytes } }",
            "pub use bytes::Bytes;",
            "pub use bytes;",
            "pub type A = bytes::Bytes;",
            "pub trait A { fn f(&self, b: bytes::Bytes); }",
            "pub trait A: bytes::Buf {}",
            "pub struct A; impl A { pub fn f<B: bytes::Buf>(b: B) {} }",
            "pub struct A; impl bytes::Buf for A {}",
            "pub struct A; impl Iterator for A { type Item = bytes::Bytes; }",
            "pub trait A {} impl A for bytes::Bytes {}",
            "pub trait A {} impl<B: bytes::Buf> A for B {}",
            "mod a { pub fn f(b: bytes::Bytes) {} }",
        ] {
            // What stands in a body is nobody's business, and need not make sense here.
            assert_eq!(found(&text.replace("..", "loop {}")), ["bytes"], "{text}");
        }
        assert_eq!(found("pub use futures_core::Stream; pub fn f(a: prost::A) {}"), ["futures-core", "prost"]);
    }

    #[test]
    fn what_is_private_or_hidden_is_not() {
        for text in [
            "use bytes::Bytes; pub fn f() { let _ = Bytes::new(); }",
            "pub struct A(bytes::Bytes);",
            "pub struct A; impl A { fn f(b: bytes::Bytes) {} }",
            "struct A; impl bytes::Buf for A {}",
            "pub struct A; trait B { type C; } impl B for A { type C = bytes::Bytes; }",
            "pub(crate) fn f(b: bytes::Bytes) {}",
            "#[doc(hidden)] pub fn f(b: bytes::Bytes) {}",
            "#[cfg(test)] mod tests { pub fn f(b: bytes::Bytes) {} }",
            "trait A {} impl A for bytes::Bytes {}",
            "pub fn f(b: tempfile::A) {}",
            "pub use rpc_core::A;",
        ] {
            assert!(found(text).is_empty(), "{text}");
        }
    }
}
