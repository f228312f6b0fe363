//! The man pages and the shell completions.

use super::run;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The names in the list "Commands:" of a help text, without `help` itself.
fn commands_in(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// The flags in a help text, such as `--listen`.
fn flags_in(help: &str) -> BTreeSet<String> {
    let flag = |line: &str| {
        let start = line.find("--")?;
        let indented = line[..start]
            .chars()
            .all(|character| " -,hV".contains(character));
        let rest = line[start..].split([' ', '=', '.']).next()?;
        indented.then(|| rest.to_owned())
    };
    help.lines().filter_map(flag).collect()
}

/// The help texts of the program and of each command, by the name of the page that must have the same.
fn help_texts() -> Vec<(String, String)> {
    let mut waiting = vec![Vec::<String>::new()];
    let mut texts = Vec::new();
    while let Some(command) = waiting.pop() {
        let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = run(&arguments, &[]).expect(0).stdout;
        for name in commands_in(&help) {
            waiting.push([command.clone(), vec![name]].concat());
        }
        let page = [vec!["matrix-rendezvous".to_owned()], command].concat();
        texts.push((format!("{}.1", page.join("-")), help));
    }
    texts
}

#[test]
fn every_command_and_flag_is_in_a_man_page() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().to_str().expect("text");
    run(&["man", path], &[]).expect(0);
    let texts = help_texts();
    let expected: BTreeSet<String> = texts.iter().map(|(page, _)| page.clone()).collect();
    let written: BTreeSet<String> = fs::read_dir(path)
        .expect("the directory")
        .map(|entry| entry.expect("an entry").file_name().into_string())
        .collect::<Result<_, _>>()
        .expect("text");
    assert_eq!(written, expected);
    assert!(expected.contains("matrix-rendezvous-config-check.1"));
    for (page, help) in texts {
        let text = fs::read_to_string(directory.path().join(&page)).expect("the page");
        // roff escapes hyphens.
        let text = text
            .replace("\\-", "-")
            .replace("\\f", " ")
            .replace("B--", "--");
        let flags = flags_in(&help);
        assert!(flags.contains("--set"), "{help}");
        let words: BTreeSet<&str> = text
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
            .collect();
        for flag in flags {
            assert!(words.contains(&*flag), "{flag} is not in {page}:\n{text}");
        }
    }
}

#[test]
fn man_names_a_directory_that_does_not_exist() {
    let run = run(&["man", "/nonexistent/man1"], &[]).expect(1);
    assert!(run.stderr.contains("/nonexistent/man1: "), "{run:#?}");
}

#[test]
fn bash_completes_commands_and_flags() {
    let script = run(&["completions", "bash"], &[]).expect(0).stdout;
    for (typed, word, expected) in [
        ("matrix-rendezvous doc", "doc", "doctor"),
        (
            "matrix-rendezvous serve --admin-l",
            "--admin-l",
            "--admin-listen",
        ),
        ("matrix-rendezvous config c", "c", "check"),
    ] {
        let index = typed.split(' ').count() - 1;
        let previous = typed.split(' ').nth(index - 1).expect("a word");
        // `complete -p` prints the function that completes the command, after -F.
        let complete = format!(
            "{script}\nset -- $(complete -p matrix-rendezvous); while [ $1 != -F ]; do shift; done\n\
             COMP_WORDS=({typed}); COMP_CWORD={index}\n\
             $2 matrix-rendezvous {word} {previous}; echo \"${{COMPREPLY[@]}}\""
        );
        let mut bash = Command::new("bash")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash");
        let mut input = bash.stdin.take().expect("piped");
        input.write_all(complete.as_bytes()).expect("bash reads");
        drop(input);
        let output = bash.wait_with_output().expect("bash ends");
        let printed = String::from_utf8(output.stdout).expect("text");
        assert_eq!(printed.trim(), expected, "{typed}");
    }
}

#[test]
fn completions_exist_for_each_shell_of_the_package() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell], &[]).expect(0).stdout;
        assert!(script.contains("doctor"), "{shell}: {script}");
    }
    run(&["completions", "cmd.exe"], &[]).expect_refused(&["bash", "zsh", "fish"]);
}
