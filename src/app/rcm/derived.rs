//! Search parameters that follow from other resources: where a claim stands, until when it can be filed,
//! what is open of an account, which encounters are not billed. Each is a shipped Library over the columns
//! of the mart, which holds all that was acknowledged before; what it finds becomes a condition on ids.

use super::listing::{Common, each, over, question};
use crate::app::App;
use crate::edi::find;
use crate::rcm::{DeadlineKind, DeadlineRule, day_number};
use crate::rest::{Asked, Context, Derived};
use remit_fhir::date::Moment;
use remit_fhir::{Error, IssueType, Result};
use remit_mart::{Parameter, Query};
use remit_search::{Condition, Criterion, Test};
use rust_decimal::Decimal;

const LIBRARIES: &str = "https://remit.example/fhir/rcm/Library";

/// Resources that such a parameter finds at most: their ids go to the database as one list, some
/// megabytes. What is asked beside it narrows the answer, not this list.
const MAX_FOUND: usize = 200_000;
/// Values of one parameter, as of any other.
const MAX_VALUES: usize = 200;

/// Amounts are below this: more than any practice turns over.
const MAX_AMOUNT: i64 = 1_000_000_000_000_000;
const DAY_US: i64 = 86_400_000_000;

impl App {
    /// How the server answers them.
    pub fn derived(&self) -> Derived {
        let app = self.clone();
        Derived::by(move |cx, asked| {
            let app = app.clone();
            Box::pin(async move { app.condition(cx, asked).await })
        })
    }

    async fn condition(&self, cx: &Context<'_>, asked: Asked<'_>) -> Result<Condition> {
        let values: Vec<&str> = asked.value.split(',').collect();
        if values.len() > MAX_VALUES || values.iter().any(|value| value.trim().is_empty()) {
            let text = format!("it has from 1 to {MAX_VALUES} values");
            return Err(refuse(&asked, IssueType::Value, &text));
        }
        let question = match asked.definition.code {
            "rcm-state" => Question::tokens("q-claim-state", "claim_id", "state", &values),
            "rcm-unbilled" => Question::tokens("q-unbilled-encounter", "encounter_id", "unbilled", &values),
            "rcm-balance" if asked.modifier == "missing" => Question::quantities(&asked, &["0"])?,
            "rcm-balance" => Question::quantities(&asked, &values)?,
            "rcm-filing-deadline" => Question::days(cx, &asked, &values).await?,
            other => return Err(Error::internal(format!("nothing answers the parameter {other}"))),
        };
        let is_token = matches!(asked.definition.code, "rcm-state" | "rcm-unbilled");
        let (question, is_not) = match asked.modifier {
            "" => (question, false),
            "not" if is_token => (question, true),
            "missing" if asked.value == "false" => (question.any(asked), false),
            "missing" if asked.value == "true" => (question.any(asked), true),
            "missing" => return Err(refuse(&asked, IssueType::Value, "its value is true or false")),
            _ => return Err(refuse(&asked, IssueType::NotSupported, "this modifier is not supported")),
        };
        let ids = self.ids(cx, &asked, &question).await?;
        let found = Condition::Criterion(Criterion { params: Vec::new(), test: Test::Id(ids) });
        Ok(if is_not { Condition::Not(Box::new(found)) } else { found })
    }

    /// The ids that a question finds.
    async fn ids(&self, cx: &Context<'_>, asked: &Asked<'_>, question: &Question) -> Result<Vec<Box<str>>> {
        self.caught_up().await?;
        let rows = self.rows(question.query(cx).await?).await?;
        if rows.rows.len() > MAX_FOUND {
            let text = format!("it finds more than {MAX_FOUND} resources");
            return Err(refuse(asked, IssueType::TooCostly, &text));
        }
        let ids = each(&rows).map(|row| row.text("key").split('/').next_back().unwrap_or_default().into());
        Ok(ids.collect())
    }
}

fn refuse(asked: &Asked<'_>, code: IssueType, reason: &str) -> Error {
    let text = format!("The search parameter '{}' is refused: {reason}.", asked.definition.code);
    let error = if code == IssueType::TooCostly { Error::unprocessable(text) } else { Error::invalid(text) };
    error.coded(code)
}

/// A Library, the column with the resource, and what must hold of a row.
struct Question {
    library: &'static str,
    key: &'static str,
    condition: String,
    parameters: Vec<(String, Parameter)>,
}

impl Question {
    /// All rows that say something.
    fn any(self, asked: Asked<'_>) -> Question {
        // The condition on last days says that already.
        if asked.definition.code == "rcm-filing-deadline" {
            return self;
        }
        Question { condition: "1 = 1".to_owned(), parameters: Vec::new(), ..self }
    }

    async fn query(&self, cx: &Context<'_>) -> Result<Query> {
        let url = format!("{LIBRARIES}/{}", self.library);
        let query = question(cx, &url, &Common::default(), Vec::new()).await?;
        let sql = format!(
            "SELECT DISTINCT f.{} AS key FROM found f WHERE {} LIMIT {}",
            self.key,
            self.condition,
            MAX_FOUND + 1
        );
        Ok(over(&query, sql, self.parameters.clone()))
    }

    /// Rows with one of these codes; a system may stand before each.
    fn tokens(library: &'static str, key: &'static str, column: &str, values: &[&str]) -> Question {
        let code = |value: &&str| value.rsplit('|').next().unwrap_or_default().to_owned();
        let parameters: Vec<(String, Parameter)> = values
            .iter()
            .enumerate()
            .map(|(n, value)| (format!("code_{n}"), Parameter::Text(code(value))))
            .collect();
        let names: Vec<String> = parameters.iter().map(|(name, _)| format!(":{name}")).collect();
        let condition = format!("f.{column} IN ({})", names.join(", "));
        Question { library, key, condition, parameters }
    }

    /// Balances: a prefix, a number and perhaps a currency, `lt0`, `gt100||USD`. A number stands for all
    /// that are written so, as everywhere: 100 for what is from 99.5 to 100.5.
    fn quantities(asked: &Asked<'_>, values: &[&str]) -> Result<Question> {
        let (mut conditions, mut bound) = (Vec::new(), Bound::default());
        for value in values {
            let (prefix, rest) = split(value);
            let mut parts = rest.split('|');
            let number = parts.next().unwrap_or_default();
            let currency = parts.next_back().filter(|text| !text.is_empty());
            let wrong = || {
                let text = "write a prefix, a number and ||currency, such as lt0 or gt100||USD";
                refuse(asked, IssueType::Value, text)
            };
            let exact: Decimal = number.parse().map_err(|_| wrong())?;
            if exact.scale() > 6 || exact.abs() > Decimal::from(MAX_AMOUNT) {
                return Err(wrong());
            }
            let half = Decimal::new(5, exact.scale() + 1);
            let mut number = |number: Decimal| bound.add(Parameter::Decimal(number.to_string()));
            let compared = match prefix {
                "eq" => {
                    format!("f.balance >= {} AND f.balance < {}", number(exact - half), number(exact + half))
                }
                "ne" => {
                    format!("(f.balance < {} OR f.balance >= {})", number(exact - half), number(exact + half))
                }
                "gt" | "sa" => format!("f.balance > {}", number(exact)),
                "lt" | "eb" => format!("f.balance < {}", number(exact)),
                "ge" => format!("f.balance >= {}", number(exact)),
                "le" => format!("f.balance <= {}", number(exact)),
                _ => return Err(refuse(asked, IssueType::NotSupported, "the prefix ap is not supported")),
            };
            let of_currency = match currency {
                Some(code) => format!(" AND f.currency = {}", bound.add(Parameter::Text(code.to_owned()))),
                None => String::new(),
            };
            conditions.push(format!("({compared}{of_currency})"));
        }
        let condition = any_of(&conditions);
        Ok(Question { library: "q-account-balance", key: "account_id", condition, parameters: bound.0 })
    }

    /// Last days of filing. For each payer with such a limit, a day of service is told by the last day that
    /// follows from it, which never falls when the day of service rises.
    async fn days(cx: &Context<'_>, asked: &Asked<'_>, values: &[&str]) -> Result<Question> {
        // A value is refused also where no contract has a limit to compare it with.
        if asked.modifier != "missing" {
            let mut unused = Bound::default();
            values.iter().try_for_each(|value| unused.compared(asked, value, &[]).map(drop))?;
        }
        let mut contracts = Vec::new();
        find::search(cx, "Contract", &[], &mut contracts).await?;
        let rules: Vec<DeadlineRule> = contracts
            .iter()
            .flat_map(|one| DeadlineRule::of(&one.resource))
            .filter(|rule| rule.kind() == DeadlineKind::TimelyFiling && rule.is_from_service())
            .collect();
        let mut payers: Vec<&str> = rules.iter().flat_map(DeadlineRule::payers).collect();
        payers.sort_unstable();
        payers.dedup();
        let (mut conditions, mut bound) = (Vec::new(), Bound::default());
        for payer in payers {
            let own: Vec<&DeadlineRule> =
                rules.iter().filter(|rule| rule.payers().any(|one| one == payer)).collect();
            let days = match asked.modifier {
                // Whoever has a rule in force on the day of service has a last day.
                "missing" => vec![bound.in_force(&own)],
                _ => values.iter().map(|value| bound.compared(asked, value, &own)).collect::<Result<_>>()?,
            };
            let payer = bound.add(Parameter::Text(payer.to_owned()));
            conditions.push(format!("(f.payer_id = {payer} AND ({}))", days.join(" OR ")));
        }
        let condition = any_of(&conditions);
        Ok(Question { library: "q-claim-filing", key: "claim_id", condition, parameters: bound.0 })
    }
}

/// One of these conditions; none is false.
fn any_of(conditions: &[String]) -> String {
    if conditions.is_empty() { "1 = 0".to_owned() } else { format!("({})", conditions.join(" OR ")) }
}

/// The prefix of a value; `eq` when there is none.
fn split(value: &str) -> (&str, &str) {
    const PREFIXES: [&str; 9] = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];
    match value.split_at_checked(2) {
        Some((prefix, rest)) if PREFIXES.contains(&prefix) => (prefix, rest),
        _ => ("eq", value),
    }
}

/// Values of a condition, by their names.
#[derive(Default)]
struct Bound(Vec<(String, Parameter)>);

impl Bound {
    fn add(&mut self, value: Parameter) -> String {
        let name = format!("value_{}", self.0.len());
        let placeholder = format!(":{name}");
        self.0.push((name, value));
        placeholder
    }

    /// A day, in days since 1970-01-01. One beyond all calendars stands for the last of them.
    fn day(&mut self, day: i64) -> String {
        let bound = i64::from(i32::MAX) / 1_000;
        self.add(Parameter::Date(day.clamp(-bound, bound) as i32))
    }

    /// The days of service that a rule's contract is for.
    fn of_contract(&mut self, rule: &DeadlineRule) -> String {
        let (start, end) = rule.in_force();
        let mut parts = vec!["1 = 1".to_owned()];
        if let Some(day) = start.and_then(day_number) {
            parts.push(format!("f.service_date >= {}", self.day(day)));
        }
        if let Some(day) = end.and_then(day_number) {
            parts.push(format!("f.service_date <= {}", self.day(day)));
        }
        format!("({})", parts.join(" AND "))
    }

    /// One of the rules is in force.
    fn in_force(&mut self, rules: &[&DeadlineRule]) -> String {
        let all: Vec<String> = rules.iter().map(|rule| self.of_contract(rule)).collect();
        any_of(&all)
    }

    /// The last day that one of the rules gives is before a day.
    fn before(&mut self, rules: &[&DeadlineRule], day: i64) -> String {
        let mut all = Vec::new();
        for rule in rules {
            if let Some(service) = rule.service_before(day) {
                let contract = self.of_contract(rule);
                all.push(format!("({contract} AND f.service_date <= {})", self.day(service)));
            }
        }
        any_of(&all)
    }

    /// How the last day, the earliest that the rules in force give, stands to a value.
    fn compared(&mut self, asked: &Asked<'_>, value: &str, rules: &[&DeadlineRule]) -> Result<String> {
        let (prefix, rest) = split(value);
        let wrong = || refuse(asked, IssueType::Value, "write a prefix and a date, such as le2026-03-31");
        let moment =
            Moment::parse(rest).filter(|moment| moment.offset_minutes.is_none()).ok_or_else(wrong)?;
        let (first, next) = (moment.low.div_euclid(DAY_US), (moment.high - 1).div_euclid(DAY_US) + 1);
        let has = self.in_force(rules);
        let mut before = |day: i64| self.before(rules, day);
        Ok(match prefix {
            "lt" | "eb" => before(first),
            "le" => before(next),
            "gt" | "sa" => format!("({has} AND NOT {})", before(next)),
            "ge" => format!("({has} AND NOT {})", before(first)),
            "eq" => format!("({has} AND {} AND NOT {})", before(next), before(first)),
            "ne" => format!("({has} AND (NOT {} OR {}))", before(next), before(first)),
            _ => return Err(refuse(asked, IssueType::NotSupported, "the prefix ap is not supported")),
        })
    }
}
