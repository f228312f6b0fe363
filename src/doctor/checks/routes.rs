//! Whether each prefix, and what is below it, reaches this service.

use crate::doctor::check::{Finding, Outcome, Problem, fail, warn};
use crate::doctor::client::{Answer, Call};
use crate::doctor::diagnosis::{describe, unreachable};
use crate::doctor::examination::Examination;
use crate::doctor::target::join;
use crate::http::route::MSC4108_PREFIX;
use crate::json;
use hyper::StatusCode;
use url::Url;

/// What is requested below a prefix: the prefix, a session that does not exist, and a write's
/// transaction.
const DEPTHS: [&str; 3] = [
    "",
    "/doctor-asks-for-no-session",
    "/doctor-asks-for-no-session/1",
];

const FIX: &str = "forward the prefix and everything below it to matrix-rendezvous, above the \
                   homeserver's own rules, with path and Host unchanged (docs/routing.md)";

/// Checks the prefix of the ETag dialect, at the homeserver or where it delegates to.
pub(super) async fn msc4108(exam: &mut Examination) -> Outcome {
    let base = exam.base()?;
    let prefix = exam.mailbox.as_ref().map(|mailbox| mailbox.prefix.clone());
    let prefix = prefix.unwrap_or_else(|| join(&base, MSC4108_PREFIX));
    let answers = ask_all(exam, &prefix).await?;
    if let Some(reached) = reach(&prefix, &answers)? {
        return Ok(reached);
    }
    let what = format!("GET {prefix}: {}", describe(&answers[0]));
    if exam.mailbox.is_some() {
        return Err(warn(
            format!("{what}; the sessions are those of another service"),
            "sign-ins work, but by a mailbox in the memory of one process: several workers break \
             them, and a restart loses them",
            FIX,
        ));
    }
    let why = "this is the dialect of released clients: no sign-in reaches matrix-rendezvous";
    Err(fail(what, why, FIX))
}

/// Checks a prefix of the JSON dialect.
pub(super) async fn msc4388(exam: &mut Examination, prefix: &str) -> Outcome {
    let prefix = join(&exam.base()?, prefix);
    let answers = ask_all(exam, &prefix).await?;
    let Some(reached) = reach(&prefix, &answers)? else {
        let other = if is_discovery(&answers[0]) {
            "another service answers"
        } else {
            "it is not routed"
        };
        if !exam.is_served {
            let reason =
                format!("no response of this homeserver is from matrix-rendezvous; {other}");
            return Err(Problem::Skip(reason));
        }
        let what = format!("GET {prefix}: {}; {other}", describe(&answers[0]));
        let why = "no released client needs it yet; the next ones will";
        return Err(warn(what, why, FIX));
    };
    let state = match answers[0].status {
        StatusCode::OK => "the dialect is on",
        StatusCode::NOT_FOUND => "the dialect is off",
        _ => "the dialect answers",
    };
    Ok(format!("{reached}; {state}"))
}

/// Requests each depth below a prefix.
async fn ask_all(exam: &mut Examination, prefix: &Url) -> Result<[Answer; 3], Problem> {
    const WHY: &str = "sign-ins go through this path";
    let mut answers = Vec::new();
    for depth in DEPTHS {
        let call = Call::get(&join(prefix, depth));
        let answer = exam.client.send(call).await;
        let answer = answer.map_err(|error| unreachable(&error, WHY))?;
        exam.is_served |= answer.is_ours;
        answers.push(answer);
    }
    let found = answers.len();
    answers
        .try_into()
        .map_err(|_| Problem::Skip(format!("{found} of 3 paths were requested")))
}

/// Returns a text if all depths reach this service, and `None` if no depth does.
///
/// # Errors
/// [`Problem::Fail`] if only some depths do.
fn reach(prefix: &Url, answers: &[Answer; 3]) -> Result<Option<String>, Problem> {
    let Some(stray) = answers.iter().find(|answer| !answer.is_ours) else {
        return Ok(Some(format!("{} reaches matrix-rendezvous", prefix.path())));
    };
    if answers.iter().all(|answer| !answer.is_ours) {
        return Ok(None);
    }
    Err(Problem::Fail(Finding {
        what: format!(
            "GET {}: {}; other paths below {} reach matrix-rendezvous",
            stray.url,
            describe(stray),
            prefix.path()
        ),
        why: "a session can be created, but not used, or the reverse".to_owned(),
        action: FIX.to_owned(),
    }))
}

/// Whether a response is a discovery of the JSON dialect.
fn is_discovery(answer: &Answer) -> bool {
    let value = json::parse_value(&answer.body);
    value.is_ok_and(|value| value["create_available"].is_boolean())
}
