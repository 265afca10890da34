//! The example from its folder to its running containers, and the image of windlass itself.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::parts;
use crate::project::{Project, docker, said, skopeo_digest};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Copies what is below a folder into a project, each text changed by `change`.
fn copy(project: &Project, from: &Path, to: &str, change: &dyn Fn(String) -> String) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, to) = (entry.path(), format!("{to}{}", entry.file_name().to_str().unwrap()));
        if path.is_dir() {
            copy(project, &path, &format!("{to}/"), change);
        } else if let Ok(text) = fs::read_to_string(&path) {
            project.write(&to, &change(text));
            fs::set_permissions(project.path(&to), path.metadata().unwrap().permissions()).unwrap();
        }
    }
}

/// The shop under another name, in the tests' registry, on a free port, which is removed from the engine at the end.
struct Shop {
    project: Project,
    name: &'static str,
    port: u16,
}

impl Shop {
    fn new(name: &'static str) -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let project = Project::new(name);
        let change = |text: String| {
            text.replace("127.0.0.1:5000/shop", &project.registry())
                .replace("project: shop", &format!("project: {name}"))
                .replace("127.0.0.1:8080:8080", &format!("127.0.0.1:{port}:8080"))
        };
        copy(&project, &root().join("examples/shop"), "", &change);
        let prepared = Command::new(project.path("prepare")).status().unwrap();
        assert!(prepared.success());
        Self { project, name, port }
    }

    fn change(&self, path: &str, old: &str, new: &str) {
        let text = self.project.read(path);
        assert!(text.contains(old), "{path} has no `{old}`");
        self.project.write(path, &text.replace(old, new));
    }

    /// Builds and pushes; the exit code, and how each image ended.
    fn build(&self) -> (Option<i32>, String) {
        let (code, json) = self.project.build(&["--push"]);
        let ends = json["images"].as_array().unwrap().iter().map(|image| {
            let word = |key: &str| image[key].as_str().unwrap().to_owned();
            format!("{} {}", word("name"), word("outcome"))
        });
        (code, ends.collect::<Vec<_>>().join(", "))
    }

    fn deploy(&self, args: &[&str]) -> String {
        let state = self.project.path("state");
        self.project.ok(&[args, &["--state-dir", state.to_str().unwrap()]].concat())
    }

    fn ask(&self, path: &str) -> String {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        said(&Command::new(parts::BUSYBOX).args(["wget", "-q", "-O", "-", &url]).output().unwrap()).stdout
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let (named, exactly) = (format!("name=^{}-", self.name), format!("name=^{}$", self.name));
        for (list, remove) in [
            (["ps", "--all", "--quiet", "--filter", &named].as_slice(), ["rm", "--force", "--volumes"].as_slice()),
            (&["volume", "ls", "--quiet", "--filter", &named], &["volume", "rm"]),
            (&["network", "ls", "--quiet", "--filter", &exactly], &["network", "rm"]),
        ] {
            let left = docker(list);
            let left: Vec<&str> = left.lines().collect();
            if !left.is_empty() {
                docker(&[remove, &left].concat());
            }
        }
        self.project.remove_images();
    }
}

const ALL_BUILT: &str = "base built, db built, httpd built, web built, worker built";
const ALL_UNCHANGED: &str = "base unchanged, db unchanged, httpd unchanged, web unchanged, worker unchanged";

#[test]
fn the_shop_is_built_published_and_run_and_goes_back() {
    let shop = Shop::new("exampleshop");
    assert_eq!(shop.build(), (Some(0), ALL_BUILT.to_owned()));
    shop.deploy(&["apply"]);
    assert!(shop.ask("/").contains("banana</a> 0.25"), "{}", shop.ask("/"));
    docker(&["exec", "exampleshop-worker", "restock", "--once"]);
    assert_eq!(shop.ask("/cgi-bin/stock?apple"), "apple: 12\n", "the web server asks the database");

    assert_eq!(shop.build(), (Some(0), ALL_UNCHANGED.to_owned()));
    assert_eq!(shop.deploy(&["apply"]), "nothing to do: the host runs serial 1 of `exampleshop`\n");

    shop.change("images/web/fruit.csv", "0.25", "0.30");
    let changed = "base unchanged, db unchanged, httpd unchanged, web built, worker built";
    assert_eq!(shop.build(), (Some(0), changed.to_owned()));
    shop.deploy(&["apply"]);
    assert!(shop.ask("/").contains("banana</a> 0.30"), "{}", shop.ask("/"));
    shop.deploy(&["rollback"]);
    assert!(shop.ask("/").contains("banana</a> 0.25"), "{}", shop.ask("/"));
    assert_eq!(shop.ask("/cgi-bin/stock?apple"), "apple: 12\n", "the volume stays");
}

#[test]
fn a_failing_test_leaves_the_shop_as_it_is() {
    let shop = Shop::new("examplebroken");
    assert_eq!(shop.build(), (Some(0), ALL_BUILT.to_owned()));
    let latest = |image: &str| skopeo_digest(&format!("{}/{image}:latest", shop.project.registry())).unwrap();
    let (before, manifest) = ((latest("web"), latest("worker")), shop.project.read("deploy.json"));
    shop.change("windlass.yaml", "SOLD_OUT: \"no\"", "SOLD_OUT: \"yes\"");
    let failed = "base unchanged, db unchanged, httpd unchanged, web failed, worker blocked";
    assert_eq!(shop.build(), (Some(1), failed.to_owned()));
    assert_eq!(((latest("web"), latest("worker")), shop.project.read("deploy.json")), (before, manifest));
    shop.change("windlass.yaml", "SOLD_OUT: \"yes\"", "SOLD_OUT: \"no\"");
    assert_eq!(shop.build(), (Some(0), ALL_UNCHANGED.to_owned()));
}

#[test]
fn windlass_builds_its_own_image() {
    let project = Project::new("examplewindlass");
    for file in ["Dockerfile", ".dockerignore"] {
        project.write(file, &fs::read_to_string(root().join(file)).unwrap());
    }
    fs::create_dir(project.path("dist")).unwrap();
    for file in ["windlass", "ca-certificates.crt"] {
        let built = root().join("dist").join(file);
        fs::copy(&built, project.path("dist").join(file)).unwrap_or_else(|e| {
            panic!("{}: {e}: run `scripts/static`, or `scripts/test`, which does", built.display())
        });
    }
    fs::set_permissions(project.path("dist/windlass"), fs::Permissions::from_mode(0o755)).unwrap();
    project.write("windlass.yaml", "version: 1\nproject: examplewindlass\nimages: { windlass: { context: . } }\n");
    let (code, json) = project.build(&[]);
    assert_eq!((code, json["images"][0]["outcome"].as_str()), (Some(0), Some("built")), "{json}");
    let image = "examplewindlass/windlass:latest";
    assert_eq!(docker(&["run", "--rm", image, "--version"]), format!("windlass {}", env!("CARGO_PKG_VERSION")));
    docker(&["image", "rm", "--force", json["images"][0]["id"].as_str().unwrap()]);
}
