//! README is true: its manifests and its code are built outside this workspace, its commands are run, and what they
//! print is what it shows.

use crate::process::{PATIENCE, program, run};
use rpc_testkit::{ReservedPort, ZooKeeperServer, python_with_grpcio};
use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::process::{Child, Command};

/// A build may have to compile this workspace's crates once more, for they are seen from elsewhere.
const BUILD: Duration = Duration::from_secs(600);

fn read(name: &str) -> String {
    fs::read_to_string(checkout().join(name)).unwrap()
}

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// What stands between two fences.
#[derive(Debug, PartialEq)]
struct Block {
    language: String,
    text: String,
}

impl Block {
    /// The file that its first line names, in a comment.
    fn file(&self) -> Option<&str> {
        let first = self.text.lines().next()?;
        let path = first.strip_prefix("# ").or_else(|| first.strip_prefix("// "))?;
        (self.language != "console" && !path.contains(' ')).then_some(path)
    }
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    // Every other part is inside.
    for part in markdown.split("\n```").skip(1).step_by(2) {
        let (language, text) = part.split_once('\n').unwrap();
        blocks.push(Block { language: language.to_owned(), text: format!("{text}\n") });
    }
    blocks
}

fn section(title: &str) -> Vec<Block> {
    let readme = read("README.md");
    let found = readme.split("\n## ").find(|section| section.starts_with(&format!("{title}\n")));
    blocks(found.unwrap_or_else(|| panic!("README has no section `{title}`")))
}

/// A folder with the projects of README, and a checkout beside them. Its place is always the same, so that what was
/// compiled for it is used again; the build is this workspace's as far as it goes.
struct Desk {
    folder: PathBuf,
    /// The one that is worked on.
    project: PathBuf,
    variables: Vec<(String, String)>,
    port: ReservedPort,
    servers: Vec<Child>,
}

impl Desk {
    fn set_up() -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let place: String = checkout().display().to_string().chars().map(|c| if c == '/' { '-' } else { c }).collect();
        let folder = env::temp_dir().join(format!("rpc-readme{place}"));
        let _ = fs::remove_dir_all(&folder);
        for name in [".cargo", "run"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        std::os::unix::fs::symlink(checkout(), folder.join("rpc")).unwrap();
        // No registry is asked, and only what differs from this workspace is compiled.
        let config = format!(
            "[build]\ntarget-dir = {:?}\nbuild-dir = {:?}\n[net]\noffline = true\n[profile.dev]\n\
             debug = \"line-tables-only\"\n[profile.dev.package.\"*\"]\ndebug = false\n",
            folder.join("target"),
            target
        );
        fs::write(folder.join(".cargo/config.toml"), config).unwrap();
        let run = folder.join("run").display().to_string();
        let variables = vec![("XDG_RUNTIME_DIR".to_owned(), run)];
        Self { project: folder.clone(), folder, variables, port: ReservedPort::reserve().unwrap(), servers: Vec::new() }
    }

    /// Begins a project.
    fn begin(&mut self, name: &str) {
        self.project = self.folder.join(name);
        fs::create_dir(&self.project).unwrap();
        fs::copy(checkout().join("Cargo.lock"), self.project.join("Cargo.lock")).unwrap();
    }

    fn write(&self, blocks: &[Block]) {
        for (path, text) in blocks.iter().filter_map(|block| Some((block.file()?, &block.text))) {
            let path = self.project.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, self.here(text)).unwrap();
        }
    }

    /// Here the port of the text may be somebody else's.
    fn here(&self, text: &str) -> String {
        text.replace("127.0.0.1:7000", &format!("127.0.0.1:{}", self.port.number()))
    }

    /// Types what stands after each `$`, and compares what comes with what stands below it.
    async fn type_in(&mut self, blocks: &[Block], ready: impl AsyncFn(&Path) -> bool) {
        for block in blocks.iter().filter(|block| block.language == "console") {
            let variables = self.variables.len();
            for step in block.text.split("$ ").skip(1) {
                let (line, expected) = step.split_once('\n').unwrap();
                let line = self.here(line);
                match line.strip_suffix(" &") {
                    Some(line) => self.start(line, &ready).await,
                    None => self.check(&line, expected).await,
                }
            }
            self.variables.truncate(variables);
            for mut server in self.servers.drain(..) {
                server.kill().await.unwrap();
            }
            let _ = fs::remove_dir_all(self.folder.join("run/rpc"));
        }
    }

    async fn start(&mut self, line: &str, ready: &impl AsyncFn(&Path) -> bool) {
        let built = tokio::time::timeout(BUILD, self.command("cargo build --quiet").status());
        assert!(built.await.expect("the build does not end").unwrap().success(), "{line}");
        self.servers.push(self.command(line).spawn().unwrap());
        let end = tokio::time::Instant::now() + PATIENCE;
        while !ready(&self.folder.join("run")).await {
            assert!(tokio::time::Instant::now() < end, "`{line}` does not come up");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn check(&mut self, line: &str, expected: &str) {
        match line.split_once('=') {
            Some((name, value)) if name.starts_with("export ") => {
                self.variables.push((name["export ".len()..].to_owned(), value.to_owned()));
            }
            // It is there; see `rpc_testkit::python_with_grpcio`.
            _ if line.starts_with("pip install ") => {}
            _ => {
                let ended = run(&mut self.command(line)).await;
                assert_eq!((ended.code, ended.out.as_str()), (Some(0), expected), "`{line}`: {}", ended.err);
            }
        }
    }

    /// A line without quotes: `NAME=VALUE` and the words of a command.
    fn command(&self, line: &str) -> Command {
        let mut words = line.split(' ').peekable();
        let own: Vec<_> = std::iter::from_fn(|| words.next_if(|word| word.contains('='))).collect();
        let name = words.next().unwrap();
        let mut command = match name {
            "cargo" => program(&env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()), &self.project),
            "python" => program(&python_with_grpcio().unwrap().display().to_string(), &self.project),
            _ => panic!("this test cannot run `{line}`"),
        };
        // Programs of the same names as ours must not land where ours are.
        for name in ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_BUILD_BUILD_DIR"] {
            command.env_remove(name);
        }
        command.args(words).envs(self.variables.iter().cloned());
        command.envs(own.iter().filter_map(|word| word.split_once('=')));
        command
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether a server has registered in the folder that is used when nobody names a registry.
async fn in_the_folder(run: &Path) -> bool {
    let services = fs::read_dir(run.join("rpc")).into_iter().flatten().flatten();
    services
        .flat_map(|service| fs::read_dir(service.path()).into_iter().flatten())
        .flatten()
        .any(|record| record.path().extension().is_some_and(|extension| extension == "json"))
}

#[tokio::test]
async fn what_readme_shows_is_what_happens() {
    let mut desk = Desk::set_up();
    let first = section("Your first service");
    desk.begin("menu");
    desk.write(&first);
    desk.type_in(&first, in_the_folder).await;

    let python = section("From Python");
    desk.write(&python);
    desk.type_in(&python, in_the_folder).await;

    let crates = section("Server and clients apart");
    desk.begin("orders");
    desk.write(&crates);
    desk.type_in(&crates, in_the_folder).await;

    let zookeeper = ZooKeeperServer::start().await.unwrap();
    let mut console = section("Through ZooKeeper");
    for block in &mut console {
        block.text = block.text.replace("127.0.0.1:2181", &zookeeper.connect_string());
    }
    desk.type_in(&console, async |_| !zookeeper.ephemerals().await.unwrap().is_empty()).await;
}

#[test]
fn the_first_service_is_short() {
    let first = section("Your first service");
    let main = first.iter().find(|block| block.file() == Some("src/main.rs")).unwrap();
    let lines = main.text.lines().skip(1).count();
    assert!(lines <= 40, "it has {lines} lines");
}

#[test]
fn the_korean_readme_has_the_same_code() {
    assert_eq!(blocks(&read("README.ko.md")), blocks(&read("README.md")));
}
