//! Reads as much of a GraphQL document as the emulator needs: root fields, arguments, directives, selections.
//!
//! This is not a GraphQL engine: there is no schema, no types, no named fragments. Inline fragments count as
//! if their fields stood outside. Variables are put in while reading, so that the rest sees plain JSON.

use serde_json::{Map, Value};

/// Nesting beyond this is refused; a stranger's document must not exhaust the stack.
const DEPTH_MAX: usize = 24;

/// One field of a selection.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    /// The name under which it is answered.
    pub(crate) alias: String,
    /// Its name.
    pub(crate) name: String,
    /// Its arguments, variables put in. An argument whose variable was not sent is absent.
    pub(crate) args: Map<String, Value>,
    /// Its directives and their arguments.
    pub(crate) directives: Vec<(String, Map<String, Value>)>,
    /// What is selected below it.
    pub(crate) selection: Vec<Field>,
}

impl Field {
    /// The first field of this name anywhere below.
    pub(crate) fn below(&self, name: &str) -> Option<&Field> {
        self.selection.iter().find_map(|one| {
            if one.name == name {
                Some(one)
            } else {
                one.below(name)
            }
        })
    }

    /// An argument that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.args.get(name).and_then(Value::as_str)
    }

    /// Whether `@include` and `@skip` leave it in.
    fn is_wanted(&self) -> bool {
        let says = |name: &str| self.directive(name)?.get("if")?.as_bool();
        says("include") != Some(false) && says("skip") != Some(true)
    }

    /// The arguments of a directive.
    pub(crate) fn directive(&self, name: &str) -> Option<&Map<String, Value>> {
        self.directives
            .iter()
            .find_map(|(one, args)| (one == name).then_some(args))
    }
}

/// An operation: `query` or `mutation`, and its root fields.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) is_mutation: bool,
    pub(crate) fields: Vec<Field>,
}

/// Reads the operation called `wanted`, or the first one.
pub(crate) fn read(
    source: &str,
    wanted: Option<&str>,
    variables: &Map<String, Value>,
) -> Result<Operation, String> {
    let mut reader = Reader {
        tokens: tokens(source)?,
        at: 0,
        variables,
    };
    loop {
        let (is_mutation, name) = reader.heading()?;
        let fields = reader.selection(0)?;
        if wanted.is_none() || name.as_deref() == wanted {
            return Ok(Operation {
                is_mutation,
                fields,
            });
        }
        if reader.peek().is_none() {
            return Err(format!("No operation named {wanted:?}"));
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Mark(char),
    Spread,
    Name(String),
    Variable(String),
    Literal(Value),
}

fn tokens(source: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let mut rest = source.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            c if c.is_whitespace() || c == ',' || c == '\u{feff}' => {}
            '#' => while rest.next_if(|c| *c != '\n').is_some() {},
            '.' => {
                if rest.next() != Some('.') || rest.next() != Some('.') {
                    return Err("Expected ...".to_owned());
                }
                out.push(Token::Spread);
            }
            '"' => out.push(Token::Literal(text(&mut rest)?)),
            '$' => out.push(Token::Variable(word(&mut rest))),
            c if c == '-' || c.is_ascii_digit() => {
                let number = format!("{c}{}", word(&mut rest));
                let value = number.parse().map(Value::Number);
                out.push(Token::Literal(
                    value.map_err(|_| format!("Bad number {number}"))?,
                ));
            }
            c if c.is_alphabetic() || c == '_' => {
                let name = format!("{c}{}", word(&mut rest));
                out.push(Token::Name(name));
            }
            c if "{}()[]:@!=|&".contains(c) => out.push(Token::Mark(c)),
            c => return Err(format!("Unexpected character {c:?}")),
        }
    }
    Ok(out)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn word(rest: &mut Chars<'_>) -> String {
    let mut out = String::new();
    while let Some(c) = rest.next_if(|c| c.is_alphanumeric() || "_+-".contains(*c)) {
        out.push(c);
    }
    out
}

fn text(rest: &mut Chars<'_>) -> Result<Value, String> {
    let mut out = String::from("\"");
    while let Some(c) = rest.next() {
        out.push(c);
        match c {
            '\\' => out.extend(rest.next()),
            '"' => return out.parse().map_err(|_| format!("Bad string {out}")),
            _ => {}
        }
    }
    Err("Unterminated string".to_owned())
}

struct Reader<'a> {
    tokens: Vec<Token>,
    at: usize,
    variables: &'a Map<String, Value>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn advance(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn takes(&mut self, mark: char) -> bool {
        let is = self.peek() == Some(&Token::Mark(mark));
        if is {
            self.at += 1;
        }
        is
    }

    fn name(&mut self) -> Result<String, String> {
        match self.advance() {
            Some(Token::Name(name)) => Ok(name),
            other => Err(format!("Expected a name, got {other:?}")),
        }
    }

    /// `query Name($a: T!)` up to the brace.
    fn heading(&mut self) -> Result<(bool, Option<String>), String> {
        let mut is_mutation = false;
        let mut name = None;
        if let Some(Token::Name(kind)) = self.peek() {
            is_mutation = kind == "mutation";
            if kind != "query" && !is_mutation {
                return Err(format!("The sandbox does not read {kind} definitions"));
            }
            self.at += 1;
            if matches!(self.peek(), Some(Token::Name(_))) {
                name = Some(self.name()?);
            }
            while !matches!(self.peek(), Some(Token::Mark('{')) | None) {
                self.at += 1;
            }
        }
        Ok((is_mutation, name))
    }

    fn selection(&mut self, depth: usize) -> Result<Vec<Field>, String> {
        if depth > DEPTH_MAX || !self.takes('{') {
            return Err("Expected a selection".to_owned());
        }
        let mut fields = Vec::new();
        while !self.takes('}') {
            if self.peek() == Some(&Token::Spread) {
                self.at += 1;
                if self.name()? != "on" {
                    return Err("The sandbox does not read named fragments".to_owned());
                }
                self.name()?;
                fields.extend(self.selection(depth + 1)?);
            } else {
                fields.extend(Some(self.field(depth)?).filter(Field::is_wanted));
            }
        }
        Ok(fields)
    }

    fn field(&mut self, depth: usize) -> Result<Field, String> {
        let alias = self.name()?;
        let name = if self.takes(':') {
            self.name()?
        } else {
            alias.clone()
        };
        let args = self.arguments(depth)?;
        let mut directives = Vec::new();
        while self.takes('@') {
            let directive = self.name()?;
            directives.push((directive, self.arguments(depth)?));
        }
        let mut selection = Vec::new();
        if self.peek() == Some(&Token::Mark('{')) {
            selection = self.selection(depth + 1)?;
        }
        Ok(Field {
            alias,
            name,
            args,
            directives,
            selection,
        })
    }

    fn arguments(&mut self, depth: usize) -> Result<Map<String, Value>, String> {
        let mut args = Map::new();
        if self.takes('(') {
            while !self.takes(')') {
                self.pair(&mut args, depth)?;
            }
        }
        Ok(args)
    }

    fn pair(&mut self, into: &mut Map<String, Value>, depth: usize) -> Result<(), String> {
        let name = self.name()?;
        if !self.takes(':') {
            return Err(format!("Expected a colon after {name}"));
        }
        if let Some(value) = self.value(depth + 1)? {
            into.insert(name, value);
        }
        Ok(())
    }

    /// A value; none for a variable that was not sent.
    fn value(&mut self, depth: usize) -> Result<Option<Value>, String> {
        if depth > DEPTH_MAX {
            return Err("Nested too deeply".to_owned());
        }
        match self.advance() {
            Some(Token::Literal(value)) => Ok(Some(value)),
            Some(Token::Variable(name)) => Ok(self.variables.get(&name).cloned()),
            Some(Token::Name(name)) => Ok(Some(match name.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                _ => Value::String(name),
            })),
            Some(Token::Mark('[')) => {
                let mut list = Vec::new();
                while !self.takes(']') {
                    list.extend(self.value(depth + 1)?);
                }
                Ok(Some(Value::Array(list)))
            }
            Some(Token::Mark('{')) => {
                let mut object = Map::new();
                while !self.takes('}') {
                    self.pair(&mut object, depth)?;
                }
                Ok(Some(Value::Object(object)))
            }
            other => Err(format!("Expected a value, got {other:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_arguments_and_directives_are_read() {
        let variables = serde_json::json!({"k": "key", "i": {"name": "available"}});
        let source = "# note\nmutation M($i: I!, $k: String!) { x: set(input: $i, n: -2, l: [1 A], m: $no) \
                      @idempotent(key: $k) { a ... on T { b(names: [\"c\"]) } } }";
        let got = read(source, None, variables.as_object().unwrap()).unwrap();
        assert!(got.is_mutation);
        let source = "query Q { a @include(if: $yes) b @include(if: $no) c @skip(if: true) }";
        let switched = serde_json::json!({"yes": true, "no": false});
        let kept = read(source, None, switched.as_object().unwrap())
            .unwrap()
            .fields;
        assert_eq!(
            kept.iter()
                .map(|field| field.name.as_str())
                .collect::<Vec<_>>(),
            ["a"]
        );
        let field = &got.fields[0];
        assert_eq!((field.alias.as_str(), field.name.as_str()), ("x", "set"));
        let args = serde_json::json!({"input": {"name": "available"}, "n": -2, "l": [1, "A"]});
        assert_eq!(Value::Object(field.args.clone()), args);
        assert_eq!(field.directive("idempotent").unwrap()["key"], "key");
        assert!(field.below("b").is_some());
    }

    #[test]
    fn nonsense_is_an_error_and_never_a_panic() {
        let deep = "{a".repeat(500);
        let lists = format!("{{a(b:{})}}", "[".repeat(500));
        for source in [
            "",
            "{",
            "{a(",
            "{a(b)}",
            "}",
            "{...F}",
            "{a(b:\"",
            "subscription{a}",
            "§",
            &deep,
            &lists,
        ] {
            assert!(read(source, None, &Map::new()).is_err(), "{source}");
        }
    }
}
