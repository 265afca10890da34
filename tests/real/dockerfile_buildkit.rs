//! What variables come to, against BuildKit itself: it builds a Dockerfile in which every value ends up in the image's
//! configuration, and we resolve the same one.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use windlass::diag::SourceText;
use windlass::dockerfile::{ResolveInputs, parse, resolve};
use windlass::engine::docker::{Builder, DockerEngine, Options};
use windlass::engine::{BuildRequest, Engine};
use windlass::event::{Event, Sink};
use windlass::model::{Platform, Tree};
use windlass::registry::{Keychain, RetryPolicy};

use crate::parts;

const DOCKERFILE: &str = r#"
ARG GLOBAL=g
ARG BOTH=global
ARG DERIVED=$GLOBAL-$BOTH
ARG NEVER
ARG GIVEN=default
FROM scratch AS one
ENV SEEN=$GLOBAL GIVEN_UNSEEN=$GIVEN
ARG GLOBAL
ARG BOTH=stage
ARG DERIVED
ARG NEVER
ARG GIVEN
ARG GIVEN_HERE=default
ENV ONE=$GLOBAL-$BOTH-$DERIVED-$NEVER-$GIVEN-$GIVEN_HERE
ENV A=env
ARG A=arg
ENV AFTER_ARG=$A
ARG B=arg
ENV B=env
ENV AFTER_ENV=$B
ONBUILD ENV TRIGGERED=$B
ENV HIDDEN=env
ARG HIDDEN=arg
ENV HIDDEN=again
ARG PATH=/arg
ENV ARG_PATH=$PATH
FROM one AS two
ENV PATH_AGAIN=$PATH HIDDEN2=$HIDDEN
ENV TWO=$GLOBAL-$BOTH-$ONE B2=$B A2=$A
FROM two
ENV x=foobarbaz empty=
ENV a=${x:-default} b=${y:-default} c=${empty:-default}
ENV f=${x:+set} g=${y:+set} h=${empty:+set}
ENV r=${y:-${x:-${z:-deep}}} s=${y:-"quoted"} s2=${y:-'single $x'} s3="${y:-a b}"
ENV t=\$x u=\${x} v='$x' w="$x" w2="\$x" w3="\x" w4=\x w5='\x' w6="a\"b" w7=a\ b
ENV q1="a'b" q2='a"b' q3=a"b c"d q4='a'b"c"
ENV d1=$ d2=a$ d3="$" d4=$x.y d5=$x-y d6=${x}y d7=$xy d8=$1 d9=${10}
ENV OLD this is   one value with   blanks
ENV OLD2 "quotes  stay"   'or  not' $x \$x
ENV same=1
ENV same=2 other=$same
ENV e1= e2="" e3=''
ENV lt=<<EOF lt2="<<EOF" lt3=a<b
ENV letters=ä$x漢
LABEL "l $x"="v $x" l2=$x 'l3'='$x' l4="multi \
line" path=$PATH
ARG TARGETPLATFORM
ARG TARGETARCH=mine
LABEL p=$TARGETPLATFORM q=$TARGETARCH r=$BUILDPLATFORM
WORKDIR /$x/sub
USER "$x"
STOPSIGNAL ${y:-SIGINT}
VOLUME /v$x "/q$x"
VOLUME ["/j$x", "/b c"]
EXPOSE ${y:-80} 90 ${y:-81}/udp 100-102
"#;

/// Hears what happens, for nobody.
struct Silence(Mutex<Vec<Event>>);

impl Sink for Silence {
    fn send(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

#[tokio::test]
async fn variables_come_to_what_buildkit_makes_of_them() {
    let args = BTreeMap::from([
        ("GIVEN".to_owned(), "given".to_owned()),
        ("GIVEN_HERE".to_owned(), "given $x 'here'".to_owned()),
    ]);
    let theirs = build(&args).await;
    let ours = ours(&args);
    let object = |name: &str| theirs[name].as_object().cloned().unwrap_or_default();
    let keys = |name: &str| object(name).keys().cloned().collect::<BTreeSet<_>>();
    let env: BTreeMap<String, String> = theirs["Env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| {
            let (name, value) = pair.as_str().unwrap().split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        })
        .filter(|(name, _)| name != "PATH")
        .collect();
    assert_eq!(ours.pairs("ENV"), env);
    let labels = object("Labels").into_iter().map(|(name, value)| (name, value.as_str().unwrap().to_owned()));
    assert_eq!(ours.pairs("LABEL"), labels.collect());
    assert_eq!(ours.words("VOLUME"), keys("Volumes"));
    assert_eq!(ours.words("USER"), BTreeSet::from([theirs["User"].as_str().unwrap().to_owned()]));
    assert_eq!(ours.words("WORKDIR"), BTreeSet::from([theirs["WorkingDir"].as_str().unwrap().to_owned()]));
    assert_eq!(ours.words("STOPSIGNAL"), BTreeSet::from([theirs["StopSignal"].as_str().unwrap().to_owned()]));
    // A range is a port each for Docker, and `tcp` what it means where nothing is said.
    let ports = ours.words("EXPOSE").into_iter().flat_map(|port| match port.as_str() {
        "100-102" => vec!["100/tcp".to_owned(), "101/tcp".to_owned(), "102/tcp".to_owned()],
        port if port.contains('/') => vec![port.to_owned()],
        port => vec![format!("{port}/tcp")],
    });
    assert_eq!(ports.collect::<BTreeSet<_>>(), keys("ExposedPorts"));
}

/// Builds the Dockerfile, and gives back the image's configuration.
async fn build(args: &BTreeMap<String, String>) -> Value {
    let options = Options {
        builder: Builder::Best,
        run: "dockerfile-buildkit".to_owned(),
        answers_within: Duration::from_secs(20),
        keychain: Keychain::empty(),
        retry: RetryPolicy { attempts: 1, ..RetryPolicy::default() },
    };
    let host = parts::docker_host();
    let engine = DockerEngine::connect(&host, options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let name = "dockerfile-buildkit";
    let request = BuildRequest {
        image: &"probe".parse().unwrap(),
        context_root: folder.path(),
        context: &Tree::default(),
        named: &BTreeMap::new(),
        injected: &[],
        dockerfile: DOCKERFILE,
        target: None,
        args,
        labels: &BTreeMap::new(),
        platform: &Platform::linux_amd64(),
        secrets: &[],
        tag: &name.parse().unwrap(),
        no_cache: false,
        ssh: &[],
        source_date_epoch: 0,
        timeout: Duration::from_secs(120),
    };
    engine.build(&request, &Silence(Mutex::default())).await.unwrap();
    let docker = |args: &[&str]| Command::new("docker").args(["-H", &host]).args(args).output().unwrap();
    let inspected = docker(&["inspect", "--format", "{{json .Config}}", name]);
    docker(&["rmi", "--force", name]);
    serde_json::from_slice(&inspected.stdout).unwrap()
}

/// The words of instructions after resolving, by keyword, in order.
struct Ours(Vec<(String, Vec<String>)>);

impl Ours {
    fn all(&self, keyword: &str) -> Vec<String> {
        self.0.iter().filter(|(own, _)| own == keyword).flat_map(|(_, words)| words.clone()).collect()
    }

    fn words(&self, keyword: &str) -> BTreeSet<String> {
        self.all(keyword).into_iter().collect()
    }

    fn pairs(&self, keyword: &str) -> BTreeMap<String, String> {
        self.all(keyword).chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
    }
}

fn ours(args: &BTreeMap<String, String>) -> Ours {
    let parsed = parse(&SourceText::new("Dockerfile", DOCKERFILE));
    assert_eq!(parsed.diagnostics, []);
    let (platform, contexts) = (Platform::linux_amd64(), BTreeSet::new());
    let (target_platform, build_platform) = (&platform, &platform);
    let inputs = ResolveInputs { args, target: None, target_platform, build_platform, contexts: &contexts };
    let instructions = resolve(&parsed.dockerfile, &inputs).stages.into_iter().flat_map(|stage| stage.instructions);
    Ours(instructions.map(|instruction| words(&instruction.text)).collect())
}

/// A canonical text: its keyword, and its quoted words.
fn words(text: &str) -> (String, Vec<String>) {
    let (keyword, rest) = text.split_once(' ').unwrap();
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = rest.chars();
    while let Some(character) = chars.next() {
        match (character, &mut word) {
            ('"', None) => word = Some(String::new()),
            ('"', Some(_)) => words.extend(word.take()),
            ('\\', Some(word)) => word.extend(chars.next()),
            (_, Some(word)) => word.push(character),
            (_, None) => {}
        }
    }
    (keyword.to_owned(), words)
}
