//! What is said about Dockerfiles that can't be used, or that are likely not meant so.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use windlass::diag::{Severity, SourceText};
use windlass::dockerfile::parse;

/// Reads a text, and shows what was said: each with the text that is pointed at.
fn check(text: &str, expected: &Expect) {
    let source = SourceText::new("Dockerfile", text);
    let mut shown = String::new();
    for diagnostic in parse(&source).diagnostics {
        write!(shown, "{diagnostic}").unwrap();
        if let Some((location, label)) = &diagnostic.primary {
            write!(shown, " [{}]", &text[location.span.range()]).unwrap();
            if !label.is_empty() {
                write!(shown, " {label}").unwrap();
            }
        }
        shown.push('\n');
        for (location, label) in &diagnostic.related {
            writeln!(shown, "  {location}: {label}").unwrap();
        }
        if let Some(hint) = &diagnostic.hint {
            writeln!(shown, "  hint: {hint}").unwrap();
        }
    }
    expected.assert_eq(&shown);
}

#[test]
fn files_without_a_stage() {
    check(
        "",
        &expect![[r#"
        Dockerfile:1:1: error: the Dockerfile is empty []
          hint: it begins with `FROM image`
    "#]],
    );
    check(
        "\u{feff}",
        &expect![[r#"
        Dockerfile:1:1: error: the Dockerfile has no instruction []
          hint: it begins with `FROM image`
    "#]],
    );
    check(
        "# only\n\n  # comments\n",
        &expect![[r#"
        Dockerfile:1:1: error: the Dockerfile has no instruction []
          hint: it begins with `FROM image`
    "#]],
    );
    check(
        "ARG A=1\n",
        &expect![[r#"
        Dockerfile:1:1: error: the Dockerfile has no FROM []
          hint: it begins with `FROM image`
    "#]],
    );
    check(
        "FROM\n",
        &expect![[r#"
        Dockerfile:1:1: error: FROM needs an image [FROM] nothing follows
    "#]],
    );
    check(
        "RUN x\nCOPY a b\nFROM a\n",
        &expect![[r#"
        Dockerfile:1:1: error: RUN before the first FROM [RUN]
          hint: only ARG may stand before it
    "#]],
    );
    let source = SourceText::new("Dockerfile", "FROM a\nRUN \0\0\n");
    let said: Vec<String> = parse(&source).diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["Dockerfile:2:5: error: not a text but binary content"]);
}

#[test]
fn instructions() {
    check(
        "FROM a\nRNU x\nrunn y\n[\"x\"]\nCOPY\nADD x\nENV\nENV A\nENV A=1 B\nENV =1\nARG\nARG =x\nEXPOSE\nVOLUME\nVOLUME []\nVOLUME [\"\"]\nUSER\nWORKDIR \nSTOPSIGNAL\nMAINTAINER\nRUN\nLABEL\nLABEL a\nSHELL\nSHELL []\nSHELL sh -c\nCMD\nENTRYPOINT\nRUN []\n",
        &expect![[r#"
            Dockerfile:2:1: error: unknown instruction `RNU` [RNU]
              hint: did you mean `RUN`?
            Dockerfile:3:1: error: unknown instruction `runn` [runn]
              hint: did you mean `RUN`?
            Dockerfile:4:1: error: unknown instruction `["x"]` [["x"]]
            Dockerfile:5:1: error: COPY needs at least one source and a destination [COPY] nothing follows
            Dockerfile:6:1: error: ADD needs at least one source and a destination [ADD] nothing follows
            Dockerfile:7:1: error: ENV needs a name and a value [ENV] nothing follows
            Dockerfile:8:5: error: ENV needs a value for `A` [A]
              hint: write `name=value`
            Dockerfile:9:9: error: `B` has no `=` [B]
              hint: write `name=value`, and quote values with spaces
            Dockerfile:10:5: error: ENV without a name before `=` [=1]
            Dockerfile:11:1: error: ARG needs a name [ARG] nothing follows
            Dockerfile:12:5: error: ARG without a name before `=` [=x]
            Dockerfile:13:1: error: EXPOSE needs a port [EXPOSE] nothing follows
            Dockerfile:14:1: error: VOLUME needs a path [VOLUME] nothing follows
            Dockerfile:15:1: error: VOLUME needs a path [VOLUME] nothing follows
            Dockerfile:16:9: error: VOLUME with an empty path [""]
            Dockerfile:17:1: error: USER needs a user [USER] nothing follows
            Dockerfile:18:1: error: WORKDIR needs a path [WORKDIR] nothing follows
            Dockerfile:19:1: error: STOPSIGNAL needs a signal [STOPSIGNAL] nothing follows
            Dockerfile:20:1: error: MAINTAINER needs a name [MAINTAINER] nothing follows
            Dockerfile:21:1: error: RUN needs a command [RUN] nothing follows
            Dockerfile:22:1: error: LABEL needs a name and a value [LABEL] nothing follows
            Dockerfile:23:7: error: LABEL needs a value for `a` [a]
              hint: write `name=value`
            Dockerfile:24:1: error: SHELL needs a JSON array of strings [SHELL] nothing follows
            Dockerfile:25:1: error: SHELL needs a JSON array of strings [SHELL] nothing follows
            Dockerfile:26:7: error: SHELL is a JSON array of strings [sh -c]
              hint: write `SHELL ["program", "argument"]`
        "#]],
    );
    check(
        "FROM a\nRUN [1]\nCMD [\"a\", [\"b\"]]\nCOPY [\"a\", null]\nVOLUME [{}]\nSHELL [true]\n",
        &expect![[r#"
        Dockerfile:2:5: error: the JSON array of RUN holds something else than strings [[1]]
        Dockerfile:3:5: error: the JSON array of CMD holds something else than strings [["a", ["b"]]]
        Dockerfile:4:6: error: the JSON array of COPY holds something else than strings [["a", null]]
        Dockerfile:5:8: error: the JSON array of VOLUME holds something else than strings [[{}]]
        Dockerfile:6:7: error: the JSON array of SHELL holds something else than strings [[true]]
    "#]],
    );
    check(
        "FROM a b\nFROM a AS\nFROM a AS b c\nFROM a AS 1st\nFROM a as ä\nFROM a ass b\n",
        &expect![[r#"
        Dockerfile:1:8: error: FROM takes an image, and `AS` and a name, but not `b` [b]
          hint: write `FROM image` or `FROM image AS name`
        Dockerfile:2:8: error: FROM takes an image, and `AS` and a name, but not `AS` [AS]
          hint: write `FROM image` or `FROM image AS name`
        Dockerfile:3:8: error: FROM takes an image, and `AS` and a name, but not `AS` [AS]
          hint: write `FROM image` or `FROM image AS name`
        Dockerfile:4:11: error: `1st` is no name for a stage [1st]
          hint: letters first, then letters, digits, `-`, `_` and `.`
        Dockerfile:5:11: error: `ä` is no name for a stage [ä]
          hint: letters first, then letters, digits, `-`, `_` and `.`
        Dockerfile:6:8: error: FROM takes an image, and `AS` and a name, but not `ass` [ass]
          hint: write `FROM image` or `FROM image AS name`
    "#]],
    );
    check(
        "FROM a\nONBUILD\nONBUILD ONBUILD RUN x\nONBUILD FROM x\nONBUILD MAINTAINER x\nONBUILD RNU x\nONBUILD COPY x\n",
        &expect![[r#"
            Dockerfile:2:1: error: ONBUILD needs an instruction [ONBUILD] nothing follows
            Dockerfile:3:9: error: ONBUILD can't be an ONBUILD trigger [ONBUILD]
            Dockerfile:4:9: error: FROM can't be an ONBUILD trigger [FROM]
            Dockerfile:5:9: error: MAINTAINER can't be an ONBUILD trigger [MAINTAINER]
            Dockerfile:6:9: error: unknown instruction `RNU` [RNU]
              hint: did you mean `RUN`?
            Dockerfile:7:9: error: COPY needs at least one source and a destination [COPY] nothing follows
        "#]],
    );
    check(
        "FROM a\nHEALTHCHECK\nHEALTHCHECK NONE x\nHEALTHCHECK CMD\nHEALTHCHECK CMD []\nHEALTHCHECK curl x\nHEALTHCHECK CDM x\n",
        &expect![[r#"
            Dockerfile:2:1: error: HEALTHCHECK needs `NONE` or `CMD` and a command [HEALTHCHECK] nothing follows
            Dockerfile:3:18: error: HEALTHCHECK NONE takes no arguments [x]
            Dockerfile:4:13: error: HEALTHCHECK CMD needs a command [CMD] nothing follows
            Dockerfile:5:13: error: HEALTHCHECK CMD needs a command [CMD] nothing follows
            Dockerfile:6:13: error: HEALTHCHECK is followed by `CMD` or `NONE`, not by `curl` [curl]
              hint: write `CMD curl`
            Dockerfile:7:13: error: HEALTHCHECK is followed by `CMD` or `NONE`, not by `CDM` [CDM]
              hint: did you mean `CMD`?
        "#]],
    );
    check(
        &format!("FROM a\n{} x\n", "y".repeat(100)),
        &expect![[r#"
        Dockerfile:2:1: error: unknown instruction [yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy]
    "#]],
    );
}

#[test]
fn flags() {
    check(
        "FROM --platfrom=x a\nFROM --platform a\nRUN --monut=x y\nCOPY --form=a b c\nCOPY --chown b c\nCOPY --link=maybe b c\nCOPY --link= b c\nCOPY --from=a --from=b c d\nADD --from=a b c\nCOPY --checksum=x b c\nENV --x A=1\nCOPY --\"from\"=a b c\n",
        &expect![[r#"
            Dockerfile:1:6: error: FROM has no flag `--platfrom` [--platfrom=x]
              hint: did you mean `platform`?
            Dockerfile:2:6: error: flag `--platform` needs a value: `--platform=…` [--platform]
            Dockerfile:3:5: error: RUN has no flag `--monut` [--monut=x]
              hint: did you mean `mount`?
            Dockerfile:4:6: error: COPY has no flag `--form` [--form=a]
              hint: did you mean `from`?
            Dockerfile:5:6: error: flag `--chown` needs a value: `--chown=…` [--chown]
            Dockerfile:6:6: error: flag `--link` is `true` or `false`, not `maybe` [--link=maybe]
            Dockerfile:7:6: error: flag `--link` is `true` or `false`, not `` [--link=]
            Dockerfile:8:15: error: flag `--from` is given twice [--from=b]
            Dockerfile:9:5: error: ADD has no flag `--from` [--from=a]
            Dockerfile:10:6: error: COPY has no flag `--checksum` [--checksum=x]
            Dockerfile:11:5: error: ENV has no flag `--x` [--x]
              hint: ENV takes no flags
            Dockerfile:12:6: error: quotes around the name of flag `--from` [--"from"=a] quote its value alone
        "#]],
    );
    check(
        "FROM a\nHEALTHCHECK --interval=5 --timeout=x --retries=-1 --start-period=1us --start-interval=-5s CMD x\nRUN --network=lan x\nRUN --network=non x\nRUN --security=none x\nRUN --device=a,b x\nRUN --device=name=a,name=b,required=x y\nRUN --device=\\\"a y\n",
        &expect![[r#"
            Dockerfile:2:24: error: `5` is no duration [5]
              hint: write a number with a unit: `30s`, `1m30s`, `500ms`
            Dockerfile:2:36: error: `x` is no duration [x]
              hint: write a number with a unit: `30s`, `1m30s`, `500ms`
            Dockerfile:2:48: error: `-1` is no number of retries [-1]
            Dockerfile:2:66: error: `1us` is shorter than `1ms` [1us]
            Dockerfile:2:87: error: `-5s` is no duration [-5s]
              hint: write a number with a unit: `30s`, `1m30s`, `500ms`
            Dockerfile:3:15: error: `lan` is no network mode [lan]
              hint: there are `default`, `none`, `host`
            Dockerfile:4:15: error: `non` is no network mode [non]
              hint: did you mean `none`?
            Dockerfile:5:16: error: `none` is no security mode [none]
              hint: there are `sandbox`, `insecure`
            Dockerfile:6:16: error: a device has no option `b` [b]
            Dockerfile:7:21: error: the device has a name already: `a` [name=b]
            Dockerfile:7:28: error: `x` is neither `true` nor `false` [required=x]
            Dockerfile:8:15: error: the device `"a` has a quote that is not closed ["a]
        "#]],
    );
}

#[test]
fn mounts() {
    check(
        "FROM a\nRUN --mount=typ=cache,target=/x y\nRUN --mount=type=cahe,target=/x y\nRUN --mount=type=cache,sharing=lock,target=/x y\nRUN --mount=type=bind,target y\nRUN --mount=type=tmpfs,size=big,target=/x y\nRUN --mount=type=secret,id=a,source=b y\nRUN --mount=type=secret y\nRUN --mount=type=secret,id=a,from=b y\nRUN --mount=type=ssh,source=a y\nRUN --mount=type=bind,target=/x,mode=0644,uid=1,required,size=1m,sharing=shared y\nRUN --mount=type=cache,mode=9,uid=x,gid=-1,ro=perhaps,target=/x y\nRUN --mount=from=$X,target=/x y\nRUN --mount=type=$T,id=$I,sharing=$S,required y\n",
        &expect![[r#"
            Dockerfile:2:13: error: a mount has no option `typ` [typ]
              hint: did you mean `type`?
            Dockerfile:3:18: error: `cahe` is no mount type [cahe]
              hint: did you mean `cache`?
            Dockerfile:4:32: error: `lock` is no sharing mode [lock]
              hint: did you mean `locked`?
            Dockerfile:5:23: error: mount option `target` needs a value: `target=…` [target]
            Dockerfile:6:29: error: `big` is no size: write `64m` or `1g` [big]
            Dockerfile:7:13: error: a secret mount has either `id` or `source` [type=secret,id=a,source=b]
            Dockerfile:8:13: error: a secret mount needs an `id` [type=secret]
            Dockerfile:9:30: error: a secret mount has no option `from` [from]
            Dockerfile:10:22: error: a ssh mount has no option `source` [source]
            Dockerfile:11:33: error: a bind mount has no option `mode` [mode]
            Dockerfile:11:43: error: a bind mount has no option `uid` [uid]
            Dockerfile:11:49: error: a bind mount has no option `required` [required]
            Dockerfile:11:58: error: a bind mount has no option `size` [size]
            Dockerfile:11:66: error: a bind mount has no option `sharing` [sharing]
            Dockerfile:12:29: error: `9` is no octal number [9]
            Dockerfile:12:35: error: `x` is no number [x]
            Dockerfile:12:41: error: `-1` is no number [-1]
            Dockerfile:12:47: error: `perhaps` is neither `true` nor `false` [perhaps]
            Dockerfile:13:18: error: variables are not expanded in a mount's `from` [$X]
              hint: name a stage: `FROM image:$VARIABLE AS name`, then `from=name`
        "#]],
    );
}

#[test]
fn heredocs() {
    check(
        "FROM a\nRUN <<EOF\necho\n",
        &expect![[r#"
        Dockerfile:2:5: error: the heredoc `EOF` is not closed [<<EOF] opened here
          hint: end it with a line that says `EOF` and nothing else
    "#]],
    );
    check(
        "FROM a\nCOPY <<A <<'B' /x\na\nA\nb\n",
        &expect![[r#"
        Dockerfile:2:10: error: the heredoc `B` is not closed [<<'B'] opened here
          hint: end it with a line that says `B` and nothing else
    "#]],
    );
    check(
        "FROM a\nCOPY a <<B\nB\n",
        &expect![[r#"
        Dockerfile:2:8: error: COPY into a heredoc [<<B] a path is needed here
    "#]],
    );
    check(
        "FROM a\nRUN echo $(( 1 << 2 ))\nRUN x\n",
        &expect![[r#"
        Dockerfile:2:16: error: the heredoc `2` is not closed [<< 2] opened here
          hint: end it with a line that says `2` and nothing else
    "#]],
    );
    check(
        "FROM a\nCOPY << E /x\nE\nCOPY --chown=<<F a b\nF\n",
        &expect![[r#"
        Dockerfile:2:6: error: the heredoc `E` is no source of COPY [<< E]
          hint: write `<<` and the name as one word, and as a source
        Dockerfile:5:1: error: unknown instruction `F` [F]
    "#]],
    );
    check(
        "FROM a\nRUN <<EOF\n EOF\n",
        &expect![[r#"
        Dockerfile:2:5: error: the heredoc `EOF` is not closed [<<EOF] opened here
          hint: end it with a line that says `EOF` and nothing else
    "#]],
    );
}

#[test]
fn directives() {
    check(
        "# escape=x\nFROM a\n",
        &expect![[r#"
        Dockerfile:1:10: error: `x` can't be the escape character [x]
          hint: it is `\` or `` ` ``
    "#]],
    );
    check(
        "# escape=`\n# escape=\\\n# syntax=a\n# syntax=b\nFROM a\n",
        &expect![[r#"
        Dockerfile:2:10: error: the directive `escape` is given twice [\]
        Dockerfile:4:10: error: the directive `syntax` is given twice [b]
    "#]],
    );
}

#[test]
fn references_to_stages() {
    check(
        "FROM x AS builder\nFROM y AS builder\nFROM z AS scratch\nFROM biulder\nCOPY --from=bilder a b\nCOPY --from=9 a b\nCOPY --from=3 a b\nRUN --mount=from=buidler,target=/x true\nCOPY --from=$X a b\nCOPY --from=a\\$b c d\n",
        &expect![[r#"
            Dockerfile:2:11: warning: two stages are named `builder` [builder] this one is meant from here on
              Dockerfile:1:11: the other one
            Dockerfile:3:11: warning: `scratch` is reserved, and no stage can be reached by it [scratch]
            Dockerfile:4:6: warning: `biulder` is no stage, so an image is meant [biulder]
              hint: did you mean `builder`?
            Dockerfile:5:13: warning: `bilder` is no stage, so an image is meant [bilder]
              hint: did you mean `builder`?
            Dockerfile:6:13: error: there is no stage 9 [9]
              hint: the stages before this one are numbered from 0 to 2
            Dockerfile:7:13: error: stage `3` refers to itself [3]
            Dockerfile:8:18: warning: `buidler` is no stage, so an image is meant [buidler]
              hint: did you mean `builder`?
            Dockerfile:9:13: error: variables are not expanded in `--from` [$X]
              hint: name a stage: `FROM image:$VARIABLE AS name`, then `--from=name`
            Dockerfile:10:13: error: variables are not expanded in `--from` [a\$b]
              hint: name a stage: `FROM image:$VARIABLE AS name`, then `--from=name`
        "#]],
    );
    check(
        "FROM x\nCOPY --from=1 a b\nCOPY --from=-1 a b\nHEALTHCHECK --retries= --timeout= CMD x\nCOPY --from=99999999999999999999 a b\n",
        &expect![[r#"
            Dockerfile:2:13: error: there is no stage 1 [1]
            Dockerfile:3:13: error: there is no stage -1 [-1]
        "#]],
    );
}

#[test]
fn empty_lines_in_continuations_are_warned_of() {
    check(
        "FROM a\nRUN a \\\n\n  b \\\r\n \t\r\n c\n",
        &expect![[r#"
        Dockerfile:3:1: warning: an empty line inside a continued instruction []
          hint: remove it, or make it a comment: Docker will refuse it some day
        Dockerfile:5:1: warning: an empty line inside a continued instruction [ 	]
          hint: remove it, or make it a comment: Docker will refuse it some day
    "#]],
    );
}

#[test]
fn a_flood_of_errors_is_cut_off() {
    let source = SourceText::new("Dockerfile", format!("FROM a\n{}", "nonsense\n".repeat(100_000)));
    let diagnostics = parse(&source).diagnostics;
    assert_eq!(diagnostics.len(), 51);
    let (last, errors) = diagnostics.split_last().unwrap();
    assert_eq!(last.message, "there are more errors than 50: the others are not shown");
    assert!(errors.iter().all(|diagnostic| diagnostic.severity == Severity::Error));
}

#[test]
fn lines_that_docker_refuses_for_their_length() {
    let said = |n_bytes: usize| {
        let source = SourceText::new("Dockerfile", format!("FROM a\nRUN {}\nRUN b\n", "x".repeat(n_bytes - 4)));
        parse(&source).diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(said(65_535), [""; 0]);
    assert_eq!(said(65_536), ["Dockerfile:2:1: error: a line of 65536 bytes: Docker takes 65535 at most"]);
}
