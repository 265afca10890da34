//! Builds that are given up, that meet an engine in trouble, and that are large.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use windlass::engine::Error;
use windlass::engine::docker::Builder;
use windlass::event::{Event, NoSink, Sink};
use windlass::registry::Keychain;

use crate::engine_build::{BOTH, Build, Events, base, connect, docker, engine};

/// Wakes up whoever waits for a line of output.
struct Wait {
    line: String,
    came: Notify,
}

impl Sink for Wait {
    fn send(&self, event: Event) {
        if matches!(event, Event::Output { line, .. } if line == self.line) {
            self.came.notify_one();
        }
    }
}

fn processes_with(marker: &str) -> usize {
    let command_line = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("cmdline")).ok();
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| command_line(entry.unwrap()));
    all.filter(|line| line.contains(marker)).count()
}

/// The classic builder's cache reads every image that stands on the same parent, and gives up over one that is gone.
#[tokio::test]
async fn images_that_others_remove_disturb_no_build() {
    let of = |name: &str, n: usize| Build::of(&format!("{name}-{n}"), &format!("FROM scratch\nLABEL {name}={n}\n"));
    let are_done = AtomicBool::new(false);
    let others = async {
        let engine = engine(Builder::Classic).await;
        for n in 0.. {
            of("removed", n).run(&engine, &NoSink).await.unwrap();
            if are_done.load(Ordering::Relaxed) {
                break;
            }
        }
    };
    let ours = async {
        let engine = engine(Builder::Classic).await;
        for n in 0..20 {
            of("kept", n).run(&engine, &NoSink).await.unwrap();
        }
        are_done.store(true, Ordering::Relaxed);
    };
    tokio::join!(others, ours);
}

#[tokio::test]
async fn a_build_that_is_given_up_leaves_nothing() {
    let base = base().await;
    for (n, builder) in BOTH.into_iter().enumerate() {
        let marker = format!("{}.{n}", std::process::id());
        let build = Build::of("cancelled", &format!("FROM {base}\nRUN echo begun; sleep 9{marker}; true\n"));
        let wait = Wait { line: "begun".to_owned(), came: Notify::new() };
        {
            let engine = engine(builder).await;
            let mut running = pin!(build.run(&engine, &wait));
            tokio::select! {
                ended = &mut running => panic!("{ended:?}"),
                () = wait.came.notified() => {}
            }
            assert!(processes_with(&format!("sleep 9{marker}")) > 0);
        }
        let given_up = Instant::now();
        loop {
            let containers = docker(&["ps", "--all", "--no-trunc", "--format", "{{.Command}}"]);
            if processes_with(&format!("9{marker}")) == 0 && !containers.contains(&marker) {
                break;
            }
            assert!(given_up.elapsed() < Duration::from_secs(60), "{builder:?}: {containers}");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_build_has_its_time() {
    let base = base().await;
    for builder in BOTH {
        let mut build = Build::of("slow", &format!("FROM {base}\nRUN sleep 100\n"));
        build.timeout = Duration::from_secs(2);
        let error = build.run(&engine(builder).await, &Events::default()).await.unwrap_err();
        assert_eq!(error.to_string(), "building `probe` took longer than 2s");
    }
}

/// How an engine behaves that is asked to build.
#[derive(Clone, Copy)]
enum Trouble {
    Silent,
    HangsUp,
}

/// An engine that answers until it is to build; it counts who is connected.
fn troubled_engine(socket: &Path, trouble: Trouble) -> Arc<AtomicUsize> {
    let listener = UnixListener::bind(socket).unwrap();
    let connected = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connected);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let counter = Arc::clone(&counter);
            counter.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || {
                serve(connection.unwrap(), trouble);
                counter.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    connected
}

fn serve(mut connection: UnixStream, trouble: Trouble) {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if connection.read(&mut byte).unwrap_or(0) == 0 {
                return;
            }
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap();
        if head.starts_with("GET ") {
            let body = r#"{"ApiVersion":"1.41"}"#;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            connection.write_all(format!("{head}{body}").as_bytes()).unwrap();
            continue;
        }
        if head.starts_with("POST /grpc ") || head.starts_with("POST /session ") {
            connection.write_all(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n").unwrap();
        }
        match trouble {
            // Whatever comes is taken, and nothing is said.
            Trouble::Silent => drop(std::io::copy(&mut connection, &mut std::io::sink())),
            Trouble::HangsUp => {}
        }
        return;
    }
}

#[tokio::test]
async fn an_engine_in_trouble_holds_nobody_up() {
    for trouble in [Trouble::Silent, Trouble::HangsUp] {
        for builder in BOTH {
            let mut build = Build::of("troubled", "FROM scratch\nCOPY . /\n");
            build.file("x", "y");
            build.read_tree();
            build.timeout = Duration::from_millis(700);
            let socket = tempfile::tempdir().unwrap();
            let socket = socket.path().join("docker.sock");
            let connected = troubled_engine(&socket, trouble);
            let engine = connect(&format!("unix://{}", socket.display()), builder, Keychain::empty()).await;
            let begun = Instant::now();
            let error = build.run(&engine, &Events::default()).await.unwrap_err();
            assert!(begun.elapsed() < Duration::from_secs(10));
            let as_it_should = match trouble {
                Trouble::Silent => matches!(error, Error::TimedOut { .. }),
                Trouble::HangsUp => matches!(error, Error::Unreachable(_)),
            };
            assert!(as_it_should, "{builder:?}: {error:?}");
            drop(engine);
            while connected.load(Ordering::SeqCst) > 0 {
                assert!(begun.elapsed() < Duration::from_secs(20), "{builder:?}: a connection is left open");
                tokio::task::yield_now().await;
            }
        }
    }
}

/// The most memory that this process ever had, in bytes.
fn memory_peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn a_large_file_takes_no_memory() {
    let mut build = Build::of("large", "FROM scratch\nCOPY small /\n");
    build.file("small", "small");
    // A hole: it takes no disk here, and is sent as zeros where the whole context is.
    File::create(build.folder.path().join("large")).unwrap().set_len(2 << 30).unwrap();
    build.read_tree();
    for builder in BOTH {
        build.run(&engine(builder).await, &NoSink).await.unwrap();
    }
    let mut sent = Build::of("large", "FROM scratch\nCOPY large /\n");
    File::create(sent.folder.path().join("large")).unwrap().set_len(300 << 20).unwrap();
    sent.read_tree();
    sent.run(&engine(Builder::Best).await, &NoSink).await.unwrap();
    assert!(memory_peak() < 200 << 20, "{} MiB", memory_peak() >> 20);
}
