//! A directory that can be trusted.

use crate::registry::{RegistryError, ServiceName};
use rustix::fs::{Mode, OFlags};
use std::{
    fmt, fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

/// A directory that belongs to this user alone, on a file system whose locks mean something.
#[derive(Clone, Debug)]
pub(super) struct Directory(Arc<Path>);

impl Directory {
    pub(super) fn open(path: PathBuf) -> Result<Self, RegistryError> {
        let directory = Self(path.into());
        if !directory.0.is_absolute() {
            return Err(directory.refused("the path has to begin with `/`; write file:///DIRECTORY"));
        }
        directory.make()?;
        Ok(directory)
    }

    /// Makes it if it is not there, and looks whether it can be trusted.
    fn make(&self) -> Result<(), RegistryError> {
        make(&self.0).map_err(|error| {
            self.refused(format!("it cannot be made: {error}; choose a directory that this user may write to"))
                .with_source(error)
        })?;
        // Not by its path once more after this check: a link that is put in its place meanwhile would be followed.
        let open = rustix::fs::open(&*self.0, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        let opened = fs::File::from(open.map_err(|error| {
            self.refused(format!("it is no directory, or a link to one, which is not followed: {error}"))
                .with_source(io::Error::from(error))
        })?);
        let metadata = opened.metadata().map_err(|error| self.refused(error.to_string()).with_source(error))?;
        match objection(&metadata, user(), kind(&opened)) {
            Some(sentence) => Err(self.refused(sentence)),
            None => Ok(()),
        }
    }

    fn refused(&self, sentence: impl fmt::Display) -> RegistryError {
        RegistryError::new(format!("file registry {}: {sentence}", self.0.display()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The directory of a service, made if it is not there, and this one too: somebody may have cleared it away, and
    /// then it is as new as when it was opened.
    pub(super) fn make_service(&self, service: &ServiceName) -> io::Result<PathBuf> {
        self.make().map_err(io::Error::other)?;
        let path = self.of(service);
        make(&path)?;
        // Readers follow no link here, and what is written through one would stand somewhere else.
        if fs::symlink_metadata(&path)?.is_dir() { Ok(path) } else { Err(no_directory(&path)) }
    }

    /// Where the directory of a service is, if there is one.
    pub(super) fn of(&self, service: &ServiceName) -> PathBuf {
        self.0.join(service.as_str())
    }

    /// The directory of a service, if there is one.
    pub(super) fn service(&self, service: &ServiceName) -> io::Result<Option<PathBuf>> {
        // Whether the registry is gone or only this service was never there are two answers; and what has come in its
        // place may be another user's.
        let metadata = fs::symlink_metadata(&self.0)?;
        if !metadata.is_dir() {
            return Err(no_directory(&self.0));
        }
        if let Some(sentence) = objection(&metadata, user(), None) {
            return Err(io::Error::other(self.refused(sentence)));
        }
        let path = self.of(service);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => Ok(Some(path)),
            Ok(_) => Err(no_directory(&path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn no_directory(path: &Path) -> io::Error {
    io::Error::other(format!("{} is no directory; links are not followed", path.display()))
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Why a directory is not trusted: by who owns it, what others may do there, and the kind of its file system.
fn objection(metadata: &fs::Metadata, user: u32, kind: Option<u32>) -> Option<String> {
    let (owner, mode) = (metadata.uid(), metadata.mode());
    if owner != user {
        return Some(format!(
            "it belongs to user {owner} and this is user {user}; whoever owns it decides whom calls reach, so choose \
             another directory"
        ));
    }
    if mode & 0o077 != 0 {
        return Some(format!(
            "it is open to other users (mode {:o}); run `chmod 700` on it, or choose another directory",
            mode & 0o777
        ));
    }
    let network = network(kind?)?;
    Some(format!(
        "it is on {network}, where locks do not tell who is alive; choose a directory on a local disk or in memory, or \
         use ZooKeeper to find servers on other hosts"
    ))
}

fn make(path: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// Options for files of the registry: never through a link, and never waiting for somebody at the other end of a pipe.
pub(super) fn options() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.mode(0o600).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    options
}

/// The kind of the file system, in the numbers of Linux.
#[cfg(target_os = "linux")]
fn kind(directory: &fs::File) -> Option<u32> {
    // Wider on some architectures, where the number stands in the lower half.
    rustix::fs::fstatfs(directory).ok().map(|found| found.f_type as u32)
}

#[cfg(not(target_os = "linux"))]
fn kind(_: &fs::File) -> Option<u32> {
    None
}

/// The name of a file system whose locks are emulated, or seen by some hosts only.
fn network(kind: u32) -> Option<&'static str> {
    // Numbers from linux/magic.h and the sources of the file systems; those that coreutils' `stat` knows to be on other
    // machines, without the ones that lie over other file systems, since what is below is seldom remote: overlayfs is
    // what containers have.
    Some(match kind {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x6573_5546 => "FUSE",
        0x0102_1997 => "9P",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x00c3_6400 => "Ceph",
        0x7375_7245 => "Coda",
        0x0bd0_0bd0 => "Lustre",
        0x0116_1970 => "GFS2",
        0x7461_636f => "OCFS2",
        0x1983_0326 => "BeeGFS",
        0xaad7_aaea => "PanFS",
        0xbeef_dead => "StorNext",
        0x0131_11a8 => "IBRIX",
        0xa501_fcf5 => "VxFS",
        0x6163_6673 => "ACFS",
        0x564c => "NetWare",
        0x786f_4256 => "a shared folder of VirtualBox",
        0xbacb_acbc => "a shared folder of VMware",
        0x7c7c_6673 => "a shared folder of Parallels",
        0x4750_4653 => "GPFS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn refusal(path: PathBuf) -> String {
        Directory::open(path).unwrap_err().to_string()
    }

    #[test]
    fn only_a_directory_of_this_user_alone_is_trusted() {
        let temporary = tempfile::tempdir().unwrap();
        let at = |name: &str| temporary.path().join(name);

        Directory::open(at("new")).unwrap();
        assert_eq!(fs::metadata(at("new")).unwrap().mode() & 0o777, 0o700);
        Directory::open(at("new")).unwrap();

        fs::create_dir(at("open")).unwrap();
        fs::set_permissions(at("open"), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(refusal(at("open")).contains("open to other users (mode 755); run `chmod 700`"));

        symlink(at("new"), at("link")).unwrap();
        assert!(refusal(at("link")).contains("a link to one, which is not followed"));
        fs::write(at("file"), "").unwrap();
        assert!(refusal(at("file")).contains("it is no directory"));
        assert!(refusal(at("no/such/parent")).contains("it cannot be made"));
        assert!(refusal("relative".into()).contains("begin with `/`"));
    }

    #[test]
    fn what_comes_in_its_place_is_looked_at_again() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("rpc");
        let service: ServiceName = "baedal.Orders".parse().unwrap();
        let directory = Directory::open(path.clone()).unwrap();
        fs::remove_dir(&path).unwrap();
        assert_eq!(directory.service(&service).unwrap_err().kind(), io::ErrorKind::NotFound);

        // Somebody else was quicker, and lets everybody write there.
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        for error in [directory.service(&service).unwrap_err(), directory.make_service(&service).unwrap_err()] {
            assert!(error.to_string().contains("open to other users (mode 777)"), "{error}");
        }
        fs::remove_dir(&path).unwrap();
        fs::create_dir(temporary.path().join("elsewhere")).unwrap();
        symlink(temporary.path().join("elsewhere"), &path).unwrap();
        for error in [directory.service(&service).unwrap_err(), directory.make_service(&service).unwrap_err()] {
            assert!(error.to_string().contains("not followed"), "{error}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(directory.make_service(&service).unwrap(), path.join("baedal.Orders"));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        assert!(directory.service(&service).unwrap().is_some());
    }

    #[test]
    fn a_link_in_the_place_of_a_service_is_not_followed() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::open(temporary.path().join("rpc")).unwrap();
        symlink(temporary.path(), directory.path().join("baedal.Orders")).unwrap();
        let service: ServiceName = "baedal.Orders".parse().unwrap();
        for error in [directory.service(&service).unwrap_err(), directory.make_service(&service).unwrap_err()] {
            assert!(error.to_string().contains("not followed"), "{error}");
        }
    }

    #[test]
    fn a_directory_of_another_user_is_refused() {
        // Only root can give a directory away; elsewhere the root directory itself is somebody else's.
        let temporary = tempfile::tempdir().unwrap();
        let given = temporary.path().join("given");
        fs::create_dir(&given).unwrap();
        fs::set_permissions(&given, fs::Permissions::from_mode(0o700)).unwrap();
        let path = match std::os::unix::fs::chown(&given, Some(12345), None) {
            Ok(()) => given,
            Err(_) => PathBuf::from("/"),
        };
        assert!(refusal(path).contains("whoever owns it decides whom calls reach"));
    }

    #[test]
    fn a_directory_on_another_machine_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::open(temporary.path().join("rpc")).unwrap();
        let metadata = fs::metadata(directory.path()).unwrap();
        let on = |kind| objection(&metadata, metadata.uid(), Some(kind));
        // As `stat -f` of coreutils names them.
        for (kind, name) in [
            (0x6969, "NFS"),
            (0xff53_4d42, "SMB"),
            (0xfe53_4d42, "SMB"),
            (0x6573_5546, "FUSE"),
            (0x0102_1997, "9P"),
            (0x00c3_6400, "Ceph"),
            (0x0bd0_0bd0, "Lustre"),
            (0x0116_1970, "GFS2"),
            (0x4750_4653, "GPFS"),
            (0x1983_0326, "BeeGFS"),
            (0xaad7_aaea, "PanFS"),
            (0x786f_4256, "a shared folder of VirtualBox"),
            (0xbacb_acbc, "a shared folder of VMware"),
        ] {
            let sentence = on(kind).unwrap_or_else(|| panic!("{name} is taken for a local disk"));
            assert!(sentence.contains(&format!("it is on {name},")) && sentence.contains("ZooKeeper"), "{sentence}");
        }
        for (kind, name) in [
            (0xef53, "ext4"),
            (0x0102_1994, "tmpfs"),
            (0x9123_683e, "btrfs"),
            (0x5846_5342, "XFS"),
            (0x794c_7630, "overlayfs"),
            (0x2fc1_2fc1, "ZFS"),
        ] {
            assert_eq!(on(kind), None, "{name} is a local disk");
        }
        assert_eq!(objection(&metadata, metadata.uid(), None), None, "where the kind is not known");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_kind_of_a_file_system_is_looked_up() {
        let kind = |path: &str| kind(&fs::File::open(path).unwrap());
        assert_eq!(kind("/proc"), Some(0x9fa0));
        assert_ne!(kind("/"), kind("/proc"));
    }
}
