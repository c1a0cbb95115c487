//! From what was described to files.

use super::{
    Catalog, File, SchemaError,
    descriptor::{DescriptorProto, FileDescriptorProto, Location, SourceCodeInfo},
    foreign::Foreigners,
    names,
};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The files with their names and imports, each after those it imports.
pub(super) fn arrange(catalog: Catalog, sets: &[Vec<u8>]) -> Result<Vec<File>, SchemaError> {
    let Catalog { mut files, foreign, enums, raised, mut problems, .. } = catalog;
    let mut foreigners = Foreigners::read(sets, &mut problems);
    let named: BTreeMap<_, _> = enums.values().map(|of| (of.ty, of)).collect();
    problems.extend(named.into_values().filter_map(|of| foreigners.mistaken(of)));
    let missing = foreign.into_iter().filter(|name| foreigners.declares(name).is_none()).collect();
    let mut homes = HashMap::new();
    for file in &mut files {
        let first = file.service.first().map(|service| &service.name);
        let first = first.or(file.message_type.first().map(|message| &message.name));
        file.name = names::file(&file.package, first.map_or("unnamed", String::as_str));
        "proto3".clone_into(&mut file.syntax);
        for declared in file.message_type.iter().map(|message| &message.name) {
            homes.insert(names::join(&file.package, declared), file.name.clone());
        }
        for declared in file.enum_type.iter().map(|choice| &choice.name) {
            homes.insert(names::join(&file.package, declared), file.name.clone());
        }
    }
    for file in &mut files {
        let home = |name: &String| home(name, &homes).or_else(|| foreigners.declares(name));
        let imports: BTreeSet<String> = references(file).iter().filter_map(home).collect();
        file.dependency = imports.into_iter().filter(|import| *import != file.name).collect();
    }
    publish_errors(&mut files, &raised, &homes);
    let arranged = sort(files, &foreigners, &mut problems);
    SchemaError::check(missing, problems)?;
    Ok(arranged)
}

/// The file of a message, which may be nested in the one that is declared there.
fn home(full_name: &str, homes: &HashMap<String, String>) -> Option<String> {
    let mut name = full_name;
    while !name.is_empty() {
        if let Some(file) = homes.get(name) {
            return Some(file.clone());
        }
        name = names::parent(name);
    }
    None
}

/// The full names of all that a file refers to.
fn references(file: &FileDescriptorProto) -> Vec<String> {
    fn fields(messages: &[DescriptorProto], names: &mut Vec<String>) {
        for message in messages {
            names.extend(message.field.iter().map(|field| field.type_name.clone()));
            fields(&message.nested_type, names);
        }
    }
    let mut names = Vec::new();
    for method in file.service.iter().flat_map(|service| &service.method) {
        names.extend([method.input_type.clone(), method.output_type.clone()]);
    }
    fields(&file.message_type, &mut names);
    names.iter().filter_map(|name| name.strip_prefix('.')).map(str::to_owned).collect()
}

/// Files of errors that live elsewhere are imported by the files whose methods fail with them, or whoever has the file
/// of a service alone, by reflection for instance, could not read its details. Publicly, so that nobody is warned of an
/// import that no field needs. Not where the errors' file needs that of the service: imports have no circles.
fn publish_errors(
    files: &mut [FileDescriptorProto],
    raised: &BTreeSet<(String, String)>,
    homes: &HashMap<String, String>,
) {
    for (package, detail) in raised {
        let (Some(at), Some(home)) = (files.iter().position(|file| file.package == *package), home(detail, homes))
        else {
            continue;
        };
        if needs(files, &home, &files[at].name) {
            continue;
        }
        let file = &mut files[at];
        let index = file.dependency.iter().position(|known| *known == home).unwrap_or_else(|| {
            file.dependency.push(home);
            file.dependency.len() - 1
        });
        let index = i32::try_from(index).unwrap_or(i32::MAX);
        if !file.public_dependency.contains(&index) {
            file.public_dependency.push(index);
        }
    }
}

/// Whether a file is another one, or imports it, be it through others.
fn needs(files: &[FileDescriptorProto], one: &str, other: &str) -> bool {
    let (mut waiting, mut seen) = (vec![one], BTreeSet::new());
    while let Some(name) = waiting.pop() {
        if name == other {
            return true;
        }
        if seen.insert(name) {
            let file = files.iter().find(|file| file.name == name);
            waiting.extend(file.into_iter().flat_map(|file| &file.dependency).map(String::as_str));
        }
    }
    false
}

/// What is imported comes before what imports it.
fn sort(files: Vec<FileDescriptorProto>, foreigners: &Foreigners, problems: &mut Vec<String>) -> Vec<File> {
    let mut waiting: Vec<File> = Vec::new();
    let mut wanted: Vec<String> = files.iter().flat_map(|file| file.dependency.clone()).collect();
    let mut taken = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if let Some(file) = foreigners.find(&name).filter(|file| taken.insert(file.name.clone())) {
            wanted.extend(file.dependency.iter().cloned());
            waiting.push(File::Foreign(file.clone()));
        }
    }
    // Taken from the end, so in the order of their names.
    waiting.sort_by(|a, b| a.name().cmp(b.name()));
    waiting.extend(files.into_iter().map(File::Own));
    let mut sorted: Vec<File> = Vec::new();
    while !waiting.is_empty() {
        let names: BTreeSet<String> = waiting.iter().map(|file| file.name().to_owned()).collect();
        let Some(at) = waiting.iter().position(|file| !file.dependency().iter().any(|name| names.contains(name)))
        else {
            let names: Vec<_> = names.into_iter().collect();
            problems.push(format!(
                "files of protobuf cannot import each other, as {} would: give their messages one package",
                names.join(" and ")
            ));
            break;
        };
        sorted.push(waiting.remove(at));
    }
    sorted
}

impl File {
    fn name(&self) -> &str {
        match self {
            Self::Own(file) => &file.name,
            Self::Foreign(file) => &file.name,
        }
    }

    /// What it declares, if it was handed over.
    pub(super) fn foreign(&self) -> Option<FileDescriptorProto> {
        match self {
            Self::Own(_) => None,
            Self::Foreign(file) => FileDescriptorProto::decode(&*file.bytes).ok(),
        }
    }

    fn dependency(&self) -> &[String] {
        match self {
            Self::Own(file) => &file.dependency,
            Self::Foreign(file) => &file.dependency,
        }
    }
}

/// A file with its documentation where protobuf has it: beside, by the path of what it is about.
pub(super) fn documented(file: &FileDescriptorProto) -> FileDescriptorProto {
    let mut places = Places(Vec::new());
    for (index, service) in (0..).zip(&file.service) {
        places.add(&[6, index], &service.docs);
        for (method, of) in (0..).zip(&service.method) {
            places.add(&[6, index, 2, method], &of.docs);
        }
    }
    places.messages(&[4], &file.message_type);
    for (index, choice) in (0..).zip(&file.enum_type) {
        places.add(&[5, index], &choice.docs);
        for (value, of) in (0..).zip(&choice.value) {
            places.add(&[5, index, 2, value], &of.docs);
        }
    }
    let info = SourceCodeInfo { location: places.0, ..Default::default() };
    FileDescriptorProto { source_code_info: Some(info), ..file.clone() }
}

/// Documentation by path: pairs of the number of a field and an index into it.
struct Places(Vec<Location>);

impl Places {
    fn add(&mut self, path: &[i32], docs: &str) {
        if docs.is_empty() {
            return;
        }
        // As the compiler of protobuf reads it from `// text`.
        let comment: String =
            docs.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!(" {line}\n") }).collect();
        // Three numbers are asked for; there is no source whose lines could be named.
        self.0.push(Location {
            path: path.to_vec(),
            span: vec![0, 0, 0],
            leading_comments: comment,
            ..Default::default()
        });
    }

    fn messages(&mut self, path: &[i32], messages: &[DescriptorProto]) {
        for (index, message) in (0..).zip(messages) {
            let path = [path, &[index]].concat();
            self.add(&path, &message.docs);
            for (field, of) in (0..).zip(&message.field) {
                self.add(&[&path[..], &[2, field]].concat(), &of.docs);
            }
            self.messages(&[&path[..], &[3]].concat(), &message.nested_type);
        }
    }
}
