//! The text of a Redis error for the log, `/readyz` and spans.
//!
//! An error of Redis may quote the arguments of its command: `ERR unknown command 'EVALSHA', with
//! args beginning with: …` quotes a session's key and its payload. So nothing of a reply is copied,
//! except an error code, a slot, an address, the name of a command that this server sends, and the
//! line of a script. The rest is chosen from the phrases below. A text that has none of them is
//! left out.

use crate::tls;
use fred::error::{Error, ErrorKind};

/// Phrases of Redis and fred that hold no argument. If a phrase ends in a quote, Redis continues
/// with the name of a command. Texts of Redis 7.0, 7.2 and Valkey, in which no phrase contains
/// another.
const PHRASES: &[&str] = &[
    // Permissions, and commands that were renamed or removed.
    "ACL failure in script",
    "has no permissions to run the '",
    "has no permissions to access",
    "one of the keys used as arguments",
    "No permissions to access a key",
    "The user executing the script can't run this command or subcommand",
    "The user executing the script can't access at least one of the keys",
    "unknown command '",
    "unknown command `",
    "unknown subcommand '",
    "wrong number of arguments for '",
    "Unknown Redis command called from script",
    "Unknown command called from script",
    "Wrong number of args calling",
    "command is not allowed from script",
    // Connection and credentials.
    "Authentication required",
    "invalid username-password pair or user is disabled",
    "called without any password configured for the default user",
    "max number of clients",
    "running in protected mode",
    "Protocol error",
    "unsupported protocol version",
    "DB index is out of range",
    "SELECT is not allowed in cluster mode",
    "This instance has cluster support disabled",
    "are allowed in this context",
    // The state of the server.
    "is loading the dataset in memory",
    "force unblock from blocking operation",
    "is busy running a script",
    "is busy running a module command",
    "Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "You can't write against a read only replica",
    "Not enough good replicas to write",
    "command not allowed when used memory > 'maxmemory'.",
    "it's currently unable to persist to disk",
    "Errors writing to the AOF file",
    "No space left on device",
    "Input/output error",
    "Read-only file system",
    "Disk quota exceeded",
    "Operation against a key holding the wrong kind of value",
    "Keys in request don't hash to the same slot",
    "Multiple keys request during rehashing of slot",
    "The cluster is down",
    "Hash slot not served",
    "No matching script",
    "Write commands are not allowed from read-only scripts",
    "No such master with that name",
    "value is not an integer or out of range",
    "value is not a valid float",
    "invalid expire time",
    "syntax error",
    "attempt to index",
    "attempt to call",
    "attempt to compare",
    "attempt to concatenate",
    "attempt to perform arithmetic",
    // Our scripts.
    "a session without a token",
    "a session without a payload",
    // fred, and what it wraps.
    "Request timed out",
    "the last try",
    "Unresponsive connection",
    "Connection closed",
    "Connection Closed",
    "Connection(s) closed",
    "Connection refused",
    "Connection reset",
    "No route to host",
    "Network is unreachable",
    "failed to lookup address information",
    "InvalidCertificate",
    "Canceled",
    "Client is not initialized",
    "Failed to connect",
    "Failed connecting to any cluster node",
    "Failed to read cached sentinel nodes",
    "Missing primary address in response from sentinel node",
    "Invalid role",
    "Could not read redis server role",
    "Too many failed write attempts",
    "Too many redirections",
    "Max redirections exceeded",
    "Max attempts exceeded",
    "Max attempts reached",
    "Max reconnection attempts reached",
    "Max in-flight commands reached",
    "Max command queue length exceeded",
    "Failed to route command",
    "Unable to route command or reconnect",
    "Failed to send command to router",
    "Failed to find cluster owner",
    "Missing expected connection",
    "Missing cluster routing state",
    "Invalid cluster redirection",
    "No response!",
];

/// The commands that this process and its scripts send. Redis quotes the first word of a command as
/// it was sent, and after a protocol error that word may be anything.
const COMMANDS: &[&str] = &[
    "evalsha",
    "eval",
    "info",
    "ping",
    "auth",
    "hello",
    "select",
    "wait",
    "client",
    "client|id",
    "client|setname",
    "client|setinfo",
    "cluster",
    "cluster|info",
    "cluster|slots",
    "sentinel",
    "sentinel|get-master-addr-by-name",
    "sentinel|master",
    "subscribe",
    "publish",
    "asking",
    "scan",
    "time",
    "zcard",
    "zcount",
    "zscore",
    "zrange",
    "zadd",
    "zrem",
    "pexpire",
    "pexpiretime",
    "pttl",
    "set",
    "get",
    "exists",
    "hset",
    "hdel",
    "hget",
    "hmget",
    "del",
];

/// The longest code of Redis has 11 letters. A key's hash or a session id is longer.
const MAX_CODE_LEN: usize = 14;

/// Returns the error as a text that holds no argument of a command.
pub(super) fn describe(error: &Error) -> String {
    match error.kind() {
        // Texts of the operating system, rustls and the URL parser. No reply of Redis has these
        // kinds.
        ErrorKind::IO | ErrorKind::Tls | ErrorKind::Url => {
            // fred prints these errors in the form of a Rust value.
            let text = plain_text(error.details()).unwrap_or_else(|| error.to_string());
            tls::with_certificate_hint(text)
        }
        kind => {
            let text = error.details();
            let first = text.split(' ').next().unwrap_or_default();
            let is_code = is_code(first);
            let phrases = PHRASES.iter().filter_map(|phrase| find(text, phrase));
            let mut parts: Vec<_> = redirection(text).into_iter().chain(phrases).collect();
            if parts.is_empty() && !(is_code && text == first) {
                parts.push("(the text may quote keys and is left out)".to_owned());
            }
            parts.extend(script_line(text));
            let (head, colon) = if is_code {
                (first, "")
            } else {
                (kind.to_str(), ":")
            };
            format!("{head}{colon} {}", parts.join(": "))
                .trim_end()
                .to_owned()
        }
    }
}

/// Returns what an `io::Error` says, whose `Debug` output is `text`: a message of the operating system,
/// a text, or an error of rustls, such as `InvalidCertificate(UnknownIssuer)`. `None` for any other
/// text.
fn plain_text(text: &str) -> Option<String> {
    for quote in ["message: \"", "error: \""] {
        if let Some((_, rest)) = text.split_once(quote) {
            let message = rest.split('"').next().unwrap_or_default();
            // rustls appends the address of its manual.
            let (message, _) = message.split_once(": https://").unwrap_or((message, ""));
            return Some(message.to_owned());
        }
    }
    let kind = text.strip_prefix("Kind(");
    let variant = kind.or_else(|| Some(text.split_once("error: ")?.1))?;
    // The values of a variant that follow a brace are not for people.
    let names = variant.split([' ', '{', '"']).next()?.split(['(', ')']);
    let names: Vec<_> = names.filter(|name| !name.is_empty()).map(words).collect();
    (!names.is_empty()).then(|| names.join(": "))
}

/// Returns the words of a name in camel case: `BadSignature` is `bad signature`.
fn words(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// Whether the word has the form of an error code, such as `NOPERM`.
fn is_code(word: &str) -> bool {
    (2..=MAX_CODE_LEN).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Returns the phrase if the text contains it, with the command that follows an open quote.
fn find(text: &str, phrase: &str) -> Option<String> {
    let (_, rest) = text.split_once(phrase)?;
    let Some(open) = phrase.strip_suffix(['\'', '`']) else {
        return Some(phrase.to_owned());
    };
    let name = rest.split(['\'', '`']).next().unwrap_or_default();
    let name = COMMANDS
        .iter()
        .find(|command| command.eq_ignore_ascii_case(name));
    Some(match name {
        Some(name) => format!("{open}'{}'", name.to_ascii_uppercase()),
        None => open.trim_end().to_owned(),
    })
}

/// Returns the slot and the address in a reply `MOVED 3999 127.0.0.1:6381`, `ASK …` or
/// `REDIRECT 127.0.0.1:6381`.
fn redirection(text: &str) -> Option<String> {
    let (code, rest) = text.split_once(' ')?;
    let address = match code {
        "MOVED" | "ASK" => {
            let (slot, address) = rest.split_once(' ')?;
            slot.parse::<u16>().ok()?;
            address
        }
        "REDIRECT" => rest,
        _ => return None,
    };
    let (host, port) = address.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte);
    host.bytes().all(is_host).then(|| rest.to_owned())
}

/// Returns the line of the script at which a command failed.
fn script_line(text: &str) -> Option<String> {
    let (_, rest) = text.split_once(" @user_script:")?;
    let line = rest.split(|digit: char| !digit.is_ascii_digit()).next()?;
    let line: u16 = line.parse().ok()?;
    Some(format!("in line {line} of the script"))
}

#[cfg(test)]
mod tests;
