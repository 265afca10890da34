//! What a Dockerfile means for a target: reached stages, edges, arguments, sources, canonical texts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use expect_test::{Expect, expect};
use windlass::diag::SourceText;
use windlass::dockerfile::{ResolveInputs, Resolved, parse, resolve};
use windlass::model::Platform;

/// What a Dockerfile is resolved with, by name and value.
#[derive(Default)]
pub(crate) struct With<'a> {
    pub(crate) target: Option<&'a str>,
    pub(crate) args: &'a [(&'a str, &'a str)],
    pub(crate) platform: &'a str,
    pub(crate) contexts: &'a [&'a str],
}

/// Reads and resolves; gives back what was said, too.
pub(crate) fn resolved(text: &str, with: &With<'_>) -> (Resolved, String) {
    let source = SourceText::new("Dockerfile", text);
    let parsed = parse(&source);
    let args: BTreeMap<String, String> = with.args.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let contexts: BTreeSet<String> = with.contexts.iter().map(|name| (*name).to_owned()).collect();
    let build = Platform::linux_amd64();
    let target = if with.platform.is_empty() { build.clone() } else { with.platform.parse().unwrap() };
    let inputs = ResolveInputs {
        args: &args,
        target: with.target,
        target_platform: &target,
        build_platform: &build,
        contexts: &contexts,
    };
    let resolved = resolve(&parsed.dockerfile, &inputs);
    let mut said = String::new();
    for diagnostic in parsed.diagnostics.iter().chain(&resolved.diagnostics) {
        writeln!(said, "{diagnostic}").unwrap();
        if let Some(hint) = &diagnostic.hint {
            writeln!(said, "  hint: {hint}").unwrap();
        }
    }
    (resolved, said)
}

/// Shows everything that came of a Dockerfile.
fn check(text: &str, with: &With<'_>, expected: &Expect) {
    let (resolved, mut shown) = resolved(text, with);
    let Resolved {
        stages,
        edges,
        args,
        unused_args,
        sources,
        remote_files,
        repositories,
        secrets,
        ssh,
        triggers,
        triggers_read,
        diagnostics: _,
    } = resolved;
    for stage in &stages {
        let name = stage.name.as_deref().unwrap_or("-");
        writeln!(shown, "stage {} {name} line {} {} {:?}", stage.index, stage.line, stage.platform, stage.base)
            .unwrap();
        for instruction in &stage.instructions {
            writeln!(shown, "  {}", instruction.text).unwrap();
        }
    }
    for edge in &edges {
        let written = &text[edge.span.range()];
        writeln!(shown, "{:?} {} {} in {}: {written}", edge.kind, edge.reference, edge.platform, edge.stage).unwrap();
    }
    for source in &sources {
        let written = &text[source.span.range()];
        write!(shown, "{:?} {:?} in {}: {written}", source.reader, source.what, source.stage).unwrap();
        if let Some(context) = &source.context {
            write!(shown, " (of {context})").unwrap();
        }
        if source.parents || source.chmod.is_some() || !source.excludes.is_empty() {
            write!(shown, " (parents {}, chmod {:?}, excludes {:?})", source.parents, source.chmod, source.excludes)
                .unwrap();
        }
        shown.push('\n');
    }
    for file in &remote_files {
        let place = file.checksum_at.map(|at| &text[..at]).and_then(|before| before.lines().last());
        let variables = Vec::from_iter(&file.variables);
        writeln!(shown, "fetches {} ({variables:?}), checksum behind {place:?}", file.url).unwrap();
    }
    for repository in &repositories {
        let (variables, written) = (Vec::from_iter(&repository.variables), &text[repository.span.range()]);
        writeln!(shown, "takes {} ({variables:?}), {:?}: {written}", repository.pin, repository.form).unwrap();
    }
    for (what, needed) in [("secret", &secrets), ("ssh", &ssh)] {
        for needed in needed {
            let required = if needed.required { "required" } else { "optional" };
            writeln!(shown, "{what} {} {required} in {}: {}", needed.id, needed.stage, &text[needed.span.range()])
                .unwrap();
        }
    }
    for trigger in &triggers {
        writeln!(shown, "trigger {}", trigger.text).unwrap();
    }
    if triggers_read {
        shown.push_str("triggers read the context\n");
    }
    for (name, value) in &args {
        writeln!(shown, "arg {name}={value}").unwrap();
    }
    for name in &unused_args {
        writeln!(shown, "unused {name}").unwrap();
    }
    expected.assert_eq(&shown);
}

const TWO_STAGES: &str = r#"
ARG VERSION=1.2
FROM golang:${VERSION} AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/go \
    go build   -o /app

FROM build AS test
RUN go test ./...

FROM scratch
COPY --from=build /app /app
CMD ["/app"]
"#;

#[test]
fn only_what_the_target_reaches() {
    check(
        TWO_STAGES,
        &With::default(),
        &expect![[r#"
        stage 0 build line 3 linux/amd64 Outside("golang:1.2")
          FROM image "golang:1.2"
          WORKDIR "/src"
          COPY "." to "."
          RUN --mount --target="/go" --type="cache" shell "go build -o /app"
        stage 2 - line 12 linux/amd64 Scratch
          FROM scratch
          COPY --from=stage 0 "/app" to "/app"
          CMD exec "/app"
        From golang:1.2 linux/amd64 in 0: golang:${VERSION}
        Copy Path(".") in 0: .
        arg VERSION=1.2
    "#]],
    );
    check(
        TWO_STAGES,
        &With { target: Some("TEST"), args: &[("VERSION", "9"), ("OTHER", "1")], ..With::default() },
        &expect![[r#"
            stage 0 build line 3 linux/amd64 Outside("golang:9")
              FROM image "golang:9"
              WORKDIR "/src"
              COPY "." to "."
              RUN --mount --target="/go" --type="cache" shell "go build -o /app"
            stage 1 test line 9 linux/amd64 Stage(0)
              FROM stage 0
              RUN shell "go test ./..."
            From golang:9 linux/amd64 in 0: golang:${VERSION}
            Copy Path(".") in 0: .
            arg VERSION=9
            unused OTHER
        "#]],
    );
}

#[test]
fn a_target_that_is_not_there() {
    check(
        TWO_STAGES,
        &With { target: Some("biuld"), ..With::default() },
        &expect![[r#"
        Dockerfile:12:1: error: the Dockerfile has no stage `biuld`
          hint: did you mean `build`?
    "#]],
    );
    check(
        TWO_STAGES,
        &With { target: Some("1"), ..With::default() },
        &expect![[r#"
        Dockerfile:12:1: error: the Dockerfile has no stage `1`
    "#]],
    );
}

#[test]
fn edges_of_every_kind() {
    check(
        r#"
ARG TOOLS=registry.example.org:5000/tools
FROM --platform=linux/arm64 debian:12 AS base
FROM ${TOOLS} AS tools
FROM base
COPY --from=tools /a /b
COPY --from=1 /a /c
COPY --from=busybox:1.37 /bin/busybox /bin/
COPY --from="nginx" /x /y
RUN --mount=from=alpine:3,target=/alpine --mount=type=bind,from=TOOLS,target=/tools \
    --mount=type=cache,target=/c true
RUN --mount="type=bind,from=python,target=/p" true
RUN --mount=from=0,target=/zero true
"#,
        &With { platform: "linux/arm/v7", ..With::default() },
        &expect![[r#"
            stage 0 base line 3 linux/arm64 Outside("debian:12")
              FROM --platform="linux/arm64" image "debian:12"
            stage 1 tools line 4 linux/arm/v7 Outside("registry.example.org:5000/tools")
              FROM image "registry.example.org:5000/tools"
            stage 2 - line 5 linux/arm64 Stage(0)
              FROM stage 0
              COPY --from=stage 1 "/a" to "/b"
              COPY --from=stage 1 "/a" to "/c"
              COPY --from=image "busybox:1.37" "/bin/busybox" to "/bin/"
              COPY --from=image "nginx" "/x" to "/y"
              RUN --mount --target="/alpine" --from=image "alpine:3" --mount --target="/tools" --type="bind" --from=stage 1 --mount --target="/c" --type="cache" shell "true"
              RUN --mount --target="/p" --type="bind" --from=image "python" shell "true"
              RUN --mount --target="/zero" --from=image "0" shell "true"
            From debian:12 linux/arm64 in 0: debian:12
            From registry.example.org:5000/tools linux/arm/v7 in 1: ${TOOLS}
            CopyFrom busybox:1.37 linux/arm/v7 in 2: busybox:1.37
            CopyFrom nginx linux/arm/v7 in 2: nginx
            MountFrom alpine:3 linux/arm/v7 in 2: alpine:3
            MountFrom python linux/arm/v7 in 2: python
            MountFrom 0 linux/arm/v7 in 2: 0
            arg TOOLS=registry.example.org:5000/tools
        "#]],
    );
}

#[test]
fn variables_are_expanded_where_buildkit_expands_them() {
    check(
        r#"
FROM scratch
ARG V=1
ARG P="7 8"
ENV A="$V" B='$V' C=\$V D="x y" $V=key
LABEL "$V"="$V" 'l'=l
WORKDIR $V/w
USER "$V"
VOLUME /v$V ["/$V"]
VOLUME ["/$V"]
STOPSIGNAL $V
EXPOSE $V "2" 80/tcp 10 $P
COPY --chown=$V:$V --chmod=$V --link --exclude=$V a$V "b$V" '/c$V/'
COPY ["j$V", "/k$V"]
ADD --checksum=sha256:$V https://$V/x /x
RUN --mount=type=cache,target=$V,id='$V' echo $V
CMD echo $V
ENTRYPOINT ["$V"]
HEALTHCHECK --timeout=1m CMD $V
SHELL ["$V"]
ONBUILD ENV $V=$V
"#,
        &With::default(),
        &expect![[r#"
            stage 0 - line 2 linux/amd64 Scratch
              FROM scratch
              ARG "V"
              ARG "P"
              ENV "A" "1" "B" "\$V" "C" "\$V" "D" "x y" "1" "key"
              LABEL "1" "1" "l" "l"
              WORKDIR "1/w"
              USER "1"
              VOLUME "/v1" "[/1]"
              VOLUME "/1"
              STOPSIGNAL "1"
              EXPOSE "1" "10" "2" "7" "8" "80/tcp"
              COPY --chown="1:1" --chmod="1" --link --exclude="\$V" "a1" "b1" to "/c\$V/"
              COPY "j1" to "/k1"
              ADD --checksum="sha256:1" "https://1/x" to "/x"
              RUN --mount --id="1" --target="1" --type="cache" shell "echo \$V"
              CMD shell "echo \$V"
              ENTRYPOINT exec "\$V"
              HEALTHCHECK --timeout="60000000000" shell "\$V"
              SHELL "\$V"
              ONBUILD ENV "\$V" "\$V"
            Copy Path("a1") in 0: a$V (parents false, chmod Some("1"), excludes ["$V"])
            Copy Path("b1") in 0: "b$V" (parents false, chmod Some("1"), excludes ["$V"])
            Copy Path("j1") in 0: "j$V"
            Add Remote("https://1/x") in 0: https://$V/x
            trigger ENV "\$V" "\$V"
            arg P=7 8
            arg V=1
        "#]],
    );
}

#[test]
fn scopes_of_arguments() {
    check(
        r#"
ARG GLOBAL=g
ARG BOTH=global
ARG DERIVED=$GLOBAL-$BOTH
ARG NEVER
FROM scratch AS one
ENV SEEN=$GLOBAL
ARG GLOBAL
ARG BOTH=stage
ARG DERIVED
ARG NEVER
ENV ONE=$GLOBAL-$BOTH-$DERIVED-$NEVER
FROM one AS two
ENV TWO=$GLOBAL-$BOTH-$ONE
FROM scratch AS three
ARG BOTH
ENV THREE=$BOTH
COPY --from=two / /
"#,
        &With::default(),
        &expect![[r#"
            Dockerfile:7:10: warning: variable `GLOBAL` is not defined
              hint: `ARG GLOBAL` in this stage makes it seen here
            stage 0 one line 6 linux/amd64 Scratch
              FROM scratch
              ENV "SEEN" ""
              ARG "GLOBAL"
              ARG "BOTH"
              ARG "DERIVED"
              ARG "NEVER"
              ENV "ONE" "g-stage-g-global-"
            stage 1 two line 13 linux/amd64 Stage(0)
              FROM stage 0
              ENV "TWO" "g-stage-g-stage-g-global-"
            stage 2 three line 15 linux/amd64 Scratch
              FROM scratch
              ARG "BOTH" --value="global"
              ENV "THREE" "global"
              COPY --from=stage 1 "/" to "/"
            arg BOTH=stage
            arg DERIVED=g-global
            arg GLOBAL=g
        "#]],
    );
    check(
        "ARG A=1\nFROM scratch\nARG A\nARG B=2\nARG C\nENV X=$A$B$C\n",
        &With {
            args: &[("A", "a"), ("B", "b"), ("C", "c"), ("D", "d"), ("http_proxy", "p"), ("SOURCE_DATE_EPOCH", "0")],
            ..With::default()
        },
        &expect![[r#"
            stage 0 - line 2 linux/amd64 Scratch
              FROM scratch
              ARG "A"
              ARG "B"
              ARG "C"
              ENV "X" "abc"
            arg A=a
            arg B=b
            arg C=c
            arg SOURCE_DATE_EPOCH=0
            unused D
        "#]],
    );
}

#[test]
fn env_and_arg_of_one_name() {
    check(
        "FROM scratch AS a\nARG A=arg\nENV A=env\nLABEL l=$A\nARG A=again\nLABEL m=$A\nARG B=arg PATH=/arg\nFROM a AS b\nENV A=x A2=$A B=$B P=$PATH\nFROM x\nCOPY --from=b / /\nARG C=1\nLABEL c=$C",
        &With::default(),
        &expect![[r#"
            stage 0 a line 1 linux/amd64 Scratch
              FROM scratch
              ARG "A"
              ENV "A" "env"
              LABEL "l" "env"
              ARG "A" --value="again"
              LABEL "m" "again"
              ARG "B" "PATH"
            stage 1 b line 8 linux/amd64 Stage(0)
              FROM stage 0
              ENV "A" "x" "A2" "env" "B" "arg" "P" "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            stage 2 - line 10 linux/amd64 Outside("x")
              FROM image "x"
              COPY --from=stage 1 "/" to "/"
              ARG "C"
              LABEL "c" "1"
            From x linux/amd64 in 2: x
            arg A=arg
            arg B=arg
            arg C=1
            arg PATH=/arg
        "#]],
    );
}

#[test]
fn platform_variables() {
    check(
        r#"
FROM --platform=$BUILDPLATFORM golang AS build
ARG TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT BUILDPLATFORM TARGETSTAGE
RUN build
FROM --platform=$TARGETPLATFORM alpine-${TARGETARCH}
ARG TARGETARCH=mine
COPY --from=build /a-$TARGETARCH /
"#,
        &With { platform: "linux/arm64/v8", ..With::default() },
        &expect![[r#"
            stage 0 build line 2 linux/amd64 Outside("golang")
              FROM --platform="\$BUILDPLATFORM" image "golang"
              ARG "TARGETPLATFORM" "TARGETOS" "TARGETARCH" "TARGETVARIANT" "BUILDPLATFORM" "TARGETSTAGE"
              RUN shell "build"
            stage 1 - line 5 linux/arm64 Outside("alpine-arm64")
              FROM --platform="linux/arm64" image "alpine-arm64"
              ARG "TARGETARCH" --value="mine"
              COPY --from=stage 0 "/a-mine" to "/"
            From golang linux/amd64 in 0: golang
            From alpine-arm64 linux/arm64 in 1: alpine-${TARGETARCH}
            arg BUILDPLATFORM=linux/amd64
            arg TARGETARCH=arm64
            arg TARGETOS=linux
            arg TARGETPLATFORM=linux/arm64
            arg TARGETSTAGE=default
            arg TARGETVARIANT=
        "#]],
    );
}

#[test]
fn what_only_the_base_image_knows() {
    check(
        r#"
FROM golang AS a
ENV PATH=$GOPATH/bin:$PATH X=${Y:-$Z}
ENV P=$PATH Q=${X%/*} R=\$PATH
COPY $DIR/a ${DIR:+b} c$MINE /to/
ARG MINE=${HOME}/m
COPY $MINE /to
RUN --mount=source=$GOPATH true
FROM a AS b
LABEL p=$P q=${GOPATH/a/$P}
FROM scratch
LABEL p=$PATH
"#,
        &With { target: Some("b"), ..With::default() },
        &expect![[r#"
            stage 0 a line 2 linux/amd64 Outside("golang")
              FROM image "golang"
              ENV "PATH" "${GOPATH}/bin:${PATH}" "X" "${Y:-${Z}}"
              ENV "P" "${PATH}" "Q" "${X%/*}" "R" "\$PATH"
              COPY "${DIR}/a" "${DIR:+b}" "c${MINE}" to "/to/"
              ARG "MINE" --value="${HOME}/m"
              COPY "${MINE}" to "/to"
              RUN --mount --source="${GOPATH}" shell "true"
            stage 1 b line 9 linux/amd64 Stage(0)
              FROM stage 0
              LABEL "p" "${P}" "q" "${GOPATH/a/${P}}"
            From golang linux/amd64 in 0: golang
            Copy UnknownPath("$DIR/a") in 0: $DIR/a
            Copy UnknownPath("${DIR:+b}") in 0: ${DIR:+b}
            Copy UnknownPath("c$MINE") in 0: c$MINE
            Copy UnknownPath("$MINE") in 0: $MINE
            Mount UnknownPath("$GOPATH") in 0: source=$GOPATH
        "#]],
    );
    check(
        "FROM golang AS a\nENV A=$B\nFROM a\nLABEL p=$A$C\nENV $C=1\nLABEL a=$A",
        &With::default(),
        &expect![[r#"
        stage 0 a line 1 linux/amd64 Outside("golang")
          FROM image "golang"
          ENV "A" "${B}"
        stage 1 - line 3 linux/amd64 Stage(0)
          FROM stage 0
          LABEL "p" "${A}${C}"
          ENV "${C}" "1"
          LABEL "a" "${A}"
        From golang linux/amd64 in 0: golang
    "#]],
    );
}

#[test]
fn sources_of_every_kind() {
    check(
        r#"
FROM alpine AS a
COPY . /all
COPY --parents --exclude=*.md --exclude=b ./x/./y* /p/
COPY --chmod=644 <<one two <<'three' /d/
$HOME
one
$HOME
three
ADD https://example.org/x git@github.com:acme/x.git ssh://git@host/x.git local.tar /y/
ADD --checksum=sha256:00 --keep-git-dir=true --unpack=false http://h/x /
RUN --mount=target=/src --mount=type=bind,source=sub,target=/sub,rw --mount=type=tmpfs,target=/t true
RUN --mount=type=$KIND,source=maybe,target=/x true
COPY --from=0 not-context /
"#,
        &With::default(),
        &expect![[r#"
            Dockerfile:14:13: error: stage `a` refers to itself
            stage 0 a line 2 linux/amd64 Outside("alpine")
              FROM image "alpine"
              COPY "." to "/all"
              COPY --parents --exclude="*.md" --exclude="b" "./x/./y*" to "/p/"
              COPY --chmod="644" file "one" "${HOME}\n" "two" file "three" "\$HOME\n" to "/d/"
              ADD "https://example.org/x" "git@github.com:acme/x.git" "ssh://git@host/x.git" "local.tar" to "/y/"
              ADD --checksum="sha256:00" --keep-git-dir="true" --unpack="false" "http://h/x" to "/"
              RUN --mount --target="/src" --mount --readwrite --source="sub" --target="/sub" --type="bind" --mount --target="/t" --type="tmpfs" shell "true"
              RUN --mount --source="maybe" --target="/x" --type="${KIND}" shell "true"
            From alpine linux/amd64 in 0: alpine
            Copy Path(".") in 0: .
            Copy Path("./x/./y*") in 0: ./x/./y* (parents true, chmod None, excludes ["*.md", "b"])
            Copy Inline("one") in 0: <<one (parents false, chmod Some("644"), excludes [])
            Copy Path("two") in 0: two (parents false, chmod Some("644"), excludes [])
            Copy Inline("three") in 0: <<'three' (parents false, chmod Some("644"), excludes [])
            Add Remote("https://example.org/x") in 0: https://example.org/x
            Add Remote("git@github.com:acme/x.git") in 0: git@github.com:acme/x.git
            Add Remote("ssh://git@host/x.git") in 0: ssh://git@host/x.git
            Add Path("local.tar") in 0: local.tar
            Add Remote("http://h/x") in 0: http://h/x
            Mount Path("") in 0: target=/src
            Mount Path("sub") in 0: type=bind,source=sub,target=/sub,rw
            Mount Path("maybe") in 0: type=$KIND,source=maybe,target=/x
            fetches https://example.org/x ([]), checksum behind None
            takes git@github.com:acme/x.git#HEAD ([]), Some(Plain(Backslash)): git@github.com:acme/x.git
            takes ssh://git@host/x.git#HEAD ([]), Some(Plain(Backslash)): ssh://git@host/x.git
        "#]],
    );
    check(
        "FROM a\nCOPY http://x /\nCOPY git@h:x /",
        &With::default(),
        &expect![[r#"
        Dockerfile:2:6: error: COPY takes nothing from a URL
          hint: use ADD
        Dockerfile:3:6: error: COPY takes nothing from a URL
          hint: use ADD
        stage 0 - line 1 linux/amd64 Outside("a")
          FROM image "a"
        From a linux/amd64 in 0: a
    "#]],
    );
}

#[test]
fn secrets_and_ssh() {
    check(
        r#"
FROM alpine AS unreached
RUN --mount=type=secret,id=nobody true
FROM alpine
ARG NAME=token
RUN --mount=type=secret,id=$NAME,required --mount=type=secret,source=src,target=/x --mount=type=secret,target=/a/netrc,required=true \
  --mount=type=ssh --mount=type=ssh,id=deploy,required=1 --mount=type=secret,id=e,env=E,required=false true
"#,
        &With::default(),
        &expect![[r#"
            stage 1 - line 4 linux/amd64 Outside("alpine")
              FROM image "alpine"
              ARG "NAME"
              RUN --mount --id="token" --required --type="secret" --mount --source="src" --target="/x" --type="secret" --mount --required="true" --target="/a/netrc" --type="secret" --mount --type="ssh" --mount --id="deploy" --required="1" --type="ssh" --mount --env="E" --id="e" --required="false" --type="secret" shell "true"
            From alpine linux/amd64 in 1: alpine
            secret token required in 1: type=secret,id=$NAME,required
            secret src optional in 1: type=secret,source=src,target=/x
            secret netrc required in 1: type=secret,target=/a/netrc,required=true
            secret e optional in 1: type=secret,id=e,env=E,required=false
            ssh default optional in 1: type=ssh
            ssh deploy required in 1: type=ssh,id=deploy,required=1
            arg NAME=token
        "#]],
    );
}

#[test]
fn triggers_run_in_the_stages_built_on_them() {
    check(
        r#"
FROM alpine AS tools
FROM alpine AS base
ARG V=1
ONBUILD COPY --from=tools /t$V /t
ONBUILD ADD $V /v
ONBUILD RUN --mount=type=secret,id=s \
    echo   $V
FROM base AS child
ONBUILD ENV A=$V
FROM child
RUN true
"#,
        &With::default(),
        &expect![[r#"
            stage 0 tools line 2 linux/amd64 Outside("alpine")
              FROM image "alpine"
            stage 1 base line 3 linux/amd64 Outside("alpine")
              FROM image "alpine"
              ARG "V"
              ONBUILD COPY --from="tools" "/t\$V" to "/t"
              ONBUILD ADD "\$V" to "/v"
              ONBUILD RUN --mount --id="s" --type="secret" shell "echo \$V"
            stage 2 child line 9 linux/amd64 Stage(1)
              FROM stage 1
              COPY --from=stage 0 "/t${V}" to "/t"
              ADD "${V}" to "/v"
              RUN --mount --id="s" --type="secret" shell "echo \$V"
              ONBUILD ENV "A" "\$V"
            stage 3 - line 11 linux/amd64 Stage(2)
              FROM stage 2
              ENV "A" "${V}"
              RUN shell "true"
            From alpine linux/amd64 in 0: alpine
            From alpine linux/amd64 in 1: alpine
            Add UnknownPath("$V") in 2: $V
            secret s optional in 2: type=secret,id=s
            arg V=1
        "#]],
    );
    check(
        "FROM a\nONBUILD COPY --chown=$X --from=b <<E $V \"/x\"\n$X\nE\nONBUILD SHELL [\"x\"]\nONBUILD ARG A B=$C\nRUN  a  b",
        &With::default(),
        &expect![[r#"
            stage 0 - line 1 linux/amd64 Outside("a")
              FROM image "a"
              ONBUILD COPY --from="b" --chown="\$X" file "E" "\$X\n" "\$V" to "\"/x\""
              ONBUILD SHELL "x"
              ONBUILD ARG "A" "B" --default="\$C"
              RUN shell "a b"
            From a linux/amd64 in 0: a
            trigger COPY --from="b" --chown="\$X" file "E" "\$X\n" "\$V" to "\"/x\""
            trigger SHELL "x"
            trigger ARG "A" "B" --default="\$C"
        "#]],
    );
}

#[test]
fn named_contexts_stand_in_for_stages() {
    check(
        "FROM alpine AS base\nRUN make\nFROM base\nCOPY --from=base / /\nCOPY --from=docs / /\nRUN --mount=from=base true\n",
        &With { contexts: &["base", "docs"], ..With::default() },
        &expect![[r#"
            stage 1 - line 3 linux/amd64 Outside("base")
              FROM image "base"
              COPY --from=image "base" "/" to "/"
              COPY --from=image "docs" "/" to "/"
              RUN --mount --from=image "base" shell "true"
            From base linux/amd64 in 1: base
            CopyFrom base linux/amd64 in 1: base
            CopyFrom docs linux/amd64 in 1: docs
            MountFrom base linux/amd64 in 1: base
            Copy Path("/") in 1: / (of base)
            Copy Path("/") in 1: / (of docs)
            Mount Path("") in 1: from=base (of base)
        "#]],
    );
}

#[test]
fn names_of_stages_have_no_case_and_the_last_one_counts() {
    check(
        "FROM x AS A\nFROM y AS a\nFROM A\nCOPY --from=A / /\n",
        &With::default(),
        &expect![[r#"
            Dockerfile:2:11: warning: two stages are named `a`
            Dockerfile:3:6: warning: BuildKit does not know stage `A` by this case
              hint: write `a`
            stage 1 a line 2 linux/amd64 Outside("y")
              FROM image "y"
            stage 2 - line 3 linux/amd64 Stage(1)
              FROM stage 0
              COPY --from=stage 0 "/" to "/"
            From y linux/amd64 in 1: y
        "#]],
    );
}

#[test]
fn stages_that_come_later() {
    check(
        "FROM x AS first\nCOPY --from=b / /\nFROM y AS b\n",
        &With::default(),
        &expect![[r#"
            stage 1 b line 3 linux/amd64 Outside("y")
              FROM image "y"
            From y linux/amd64 in 1: y
        "#]],
    );
    check(
        "FROM x AS first\nCOPY --from=b / /\nRUN --mount=from=b,target=/x true\nCOPY --from=1 / /\nFROM y AS b\n",
        &With { target: Some("first"), ..With::default() },
        &expect![[r#"
            Dockerfile:2:13: error: stage `b` comes later
              hint: a stage can only be used below the end of its instructions: move it up
            Dockerfile:3:18: error: stage `b` comes later
              hint: a stage can only be used below the end of its instructions: move it up
            Dockerfile:4:13: error: stage `1` comes later
              hint: a stage can only be used below the end of its instructions: move it up
            stage 0 first line 1 linux/amd64 Outside("x")
              FROM image "x"
            From x linux/amd64 in 0: x
        "#]],
    );
    check(
        "FROM alpine AS alpine\nFROM third AS other\nFROM other AS third",
        &With::default(),
        &expect![[r#"
            stage 1 other line 2 linux/amd64 Outside("third")
              FROM image "third"
            stage 2 third line 3 linux/amd64 Stage(1)
              FROM stage 0
            From third linux/amd64 in 1: third
        "#]],
    );
}

#[test]
fn words_that_come_to_nothing_of_use() {
    check(
        "FROM scratch\nARG E P=x\nVOLUME $E\nVOLUME [\"/$P\"]\nEXPOSE $P 80-70/tcp 1/foo $E\nSTOPSIGNAL SIG$P\nSTOPSIGNAL $E\nSTOPSIGNAL 9\nONBUILD EXPOSE $P\nFROM base\nEXPOSE $UNKNOWN\nSTOPSIGNAL $UNKNOWN\nVOLUME $UNKNOWN\nCOPY --from=0 / /\nCOPY --from= a b\n",
        &With::default(),
        &expect![[r#"
            Dockerfile:3:8: error: `$E` is empty: no path
            Dockerfile:5:8: error: `x` is no port
            Dockerfile:5:11: error: `80-70/tcp` is no port
            Dockerfile:5:21: error: `1/foo` is no port
            Dockerfile:6:12: error: `SIGx` is no signal
            Dockerfile:7:12: error: `$E` is no signal
            stage 0 - line 1 linux/amd64 Scratch
              FROM scratch
              ARG "E" "P"
              VOLUME ""
              VOLUME "/x"
              EXPOSE "1/foo" "80-70/tcp" "x"
              STOPSIGNAL "SIGx"
              STOPSIGNAL ""
              STOPSIGNAL "9"
              ONBUILD EXPOSE "\$P"
            stage 1 - line 10 linux/amd64 Outside("base")
              FROM image "base"
              EXPOSE "${UNKNOWN}"
              STOPSIGNAL "${UNKNOWN}"
              VOLUME "${UNKNOWN}"
              COPY --from=stage 0 "/" to "/"
              COPY "a" to "b"
            From base linux/amd64 in 1: base
            Copy Path("a") in 1: a
            arg P=x
        "#]],
    );
}

#[test]
fn from_that_says_nothing() {
    check(
        "FROM $BASE\nFROM ${X:+y} AS b\nFROM ${Y:?give one}\nFROM \"\"\nFROM ok\n",
        &With::default(),
        &expect![[r#"
            Dockerfile:3:16: error: FROM takes an image, and `AS` and a name, but not `one}`
              hint: write `FROM image` or `FROM image AS name`
            Dockerfile:1:6: warning: variable `BASE` is not defined
            Dockerfile:1:6: error: `$BASE` needs a value of the build argument `BASE`
              hint: write `ARG BASE=…` before the first FROM
            Dockerfile:2:6: error: `${X:+y}` is empty: no image to build on
            Dockerfile:4:6: error: `""` is empty: no image to build on
            stage 3 - line 5 linux/amd64 Outside("ok")
              FROM image "ok"
            From ok linux/amd64 in 3: ok
        "#]],
    );
    check(
        "ARG BASE=\nFROM a$BASR\nARG IN=1\nFROM a$IN\nFROM --platform=$P x\nFROM --platform=a/b/c/d y\n",
        &With::default(),
        &expect![[r#"
            Dockerfile:2:6: warning: variable `BASR` is not defined
              hint: did you mean `BASE`?
            Dockerfile:4:6: warning: variable `IN` is not defined
              hint: only an `ARG IN` before the first FROM is seen here
            Dockerfile:5:17: warning: variable `P` is not defined
            Dockerfile:5:17: error: `$P` needs a value of the build argument `P`
              hint: write `ARG P=…` before the first FROM
            Dockerfile:6:17: error: `a/b/c/d` is no platform
              hint: write `linux/amd64`
        "#]],
    );
}

/// The canonical texts of two ways to write the same.
fn same(one: &str, other: &str) {
    let texts = |text| {
        let (resolved, said) = resolved(text, &With::default());
        assert!(!resolved.stages.is_empty(), "{said}");
        let all = resolved.stages.into_iter().flat_map(|stage| stage.instructions);
        (all.map(|instruction| instruction.text).collect::<Vec<_>>(), resolved.args)
    };
    assert_eq!(texts(one), texts(other));
}

#[test]
fn ways_to_write_the_same_have_one_text() {
    same("FROM a\nRUN x && y", "# c\nfrom\ta\n\n  run x  && \\\n# c\n     y\n");
    same("FROM a\nENV A=1 B=2", "FROM a\nENV A=\"1\" \\\n  B='2'");
    same("FROM a\nENV A 1", "FROM a\nENV A=1");
    same("FROM a\nCOPY [\"x\", \"y\"]", "FROM a\nCOPY x y");
    same("FROM a\nEXPOSE 1 2", "FROM a\nEXPOSE 2 1");
    same("FROM a AS x\nFROM x", "FROM a AS y\nFROM y");
    same("FROM a AS x\nFROM b AS c\nFROM b\nCOPY --from=x / /", "FROM a\nFROM b\nCOPY --from=0 / /");
    same("ARG V=1\nFROM a:$V", "ARG V=2\nARG V=1\nFROM a:${V}");
    same("FROM a\nRUN <<-E\n\t\tx\n\tE\n", "FROM a\nRUN <<-E\nx\nE\n");
    same("FROM a\nHEALTHCHECK --interval=60s CMD x", "FROM a\nHEALTHCHECK --interval=1m CMD x");
    same("FROM a\nLABEL x=$y", "FROM a\nLABEL x=${y}");
}

#[test]
fn different_things_have_different_texts() {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for text in [
        "FROM a",
        "FROM a\nRUN x y",
        "FROM a\nRUN \"x  y\"",
        "FROM a\nRUN \"x y\"",
        "FROM a\nRUN [\"x\", \"y\"]",
        "FROM a\nRUN [\"x y\"]",
        "FROM a\nRUN <<E\nx y\nE",
        "FROM a\nRUN <<E\nx  y\nE",
        "FROM a\nRUN <<F\nx y\nF",
        "FROM a\nENV A=1 B=2",
        "FROM a\nENV A=\"1 B=2\"",
        "FROM a\nENV A=$B",
        "FROM a\nENV A=\\$B",
        "FROM a\nENV A=\\${B}",
        "FROM a\nENV A=${B:-${C}}",
        "FROM a\nENV A=${B:-\\${C}}",
        "FROM a\nENV A=${B:-c}}",
        "FROM a\nENV A=${B:-c\\}}",
        "FROM a\nENV A=${B-c}",
        "FROM a\nENV A=${B/c/d}",
        "FROM a\nENV A=${B//c/d}",
        "FROM a\nENV A=${B#c}",
        "FROM a\nENV A=${B##c}",
        "FROM a\nCOPY a b c",
        "FROM a\nCOPY [\"a b\", \"c\"]",
        "FROM a\nCOPY --from=a b c",
        "FROM a\nCOPY --chown=a b c",
        "FROM a\nCOPY --chmod=a b c",
        "FROM a\nCOPY --exclude=a b c",
        "FROM a\nADD a b c",
        "FROM a\nCOPY <<a /x\nx\na",
        "FROM a\nCOPY <<'a' /x\nx\na",
        "FROM a\nCOPY <<a /x\n$x\na",
        "FROM a\nCOPY <<'a' /x\n$x\na",
        "FROM a\nARG A",
        "FROM a\nARG A=1",
        "FROM a AS x\nARG B=1\nRUN $B\nFROM a\nARG B\nCOPY --from=x / /",
        "FROM a AS x\nARG B\nRUN $B\nFROM a\nARG B=1\nCOPY --from=x / /",
        "FROM a\nRUN --network=none x y",
        "FROM a\nRUN --security=insecure x y",
        "FROM a\nRUN --device=d x y",
        "FROM a\nRUN --device=d,required x y",
        "FROM a\nRUN --mount=target=/a x y",
        "FROM a\nRUN --mount=target=/a,rw x y",
        "FROM a\nRUN --mount=target=/a,from=b x y",
        "FROM a\nCMD x y",
        "FROM a\nONBUILD CMD x y",
        "FROM a\nVOLUME a b",
        "FROM a\nVOLUME [\"a b\"]",
        "FROM a\nHEALTHCHECK NONE",
        "FROM a\nHEALTHCHECK CMD x",
        "FROM a\nHEALTHCHECK --retries=1 CMD x",
        "FROM a\nHEALTHCHECK --timeout=1s CMD x",
        "FROM a\nHEALTHCHECK --interval=1s CMD x",
    ] {
        let (resolved, said) = resolved(text, &With::default());
        let shape = format!(
            "{:?} {:?}",
            resolved.stages.last().map(|s| s.instructions.iter().map(|i| i.text.clone()).collect::<Vec<_>>()),
            resolved.args
        );
        assert!(!said.contains("error"), "{text}: {said}");
        if let Some(other) = seen.insert(shape.clone(), text) {
            // Quoting a heredoc's name changes nothing where nothing in it could be expanded.
            assert_eq!((other, text), ("FROM a\nCOPY <<a /x\nx\na", "FROM a\nCOPY <<'a' /x\nx\na"), "{shape}");
        }
    }
}
