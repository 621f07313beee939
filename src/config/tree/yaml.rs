//! YAML 1.2 events to the tree.
//!
//! Anchors and aliases are honoured (an operator may share a block), merge keys are not (`defaults` does that).

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::{
    Entry, Node, Scalar, Style, Value,
    read::{MAX_DEPTH, MAX_NODES, syntax},
};
use crate::config::{
    place::{Place, Position},
    problem::{Problem, ProblemKind},
};

pub(super) fn read(text: &str) -> Result<Node, Problem> {
    let mut tree = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(scan_problem)?;
        tree.accept(event, position(span))?;
    }
    Ok(tree.root.unwrap_or_else(|| Node::map(Vec::new(), Position::START)))
}

fn position(span: Span) -> Position {
    Position { line: span.start.line(), column: span.start.col() + 1 }
}

fn scan_problem(error: ScanError) -> Problem {
    let marker = error.marker();
    syntax(Position { line: marker.line(), column: marker.col() + 1 }, &error.info())
}

/// The tree while its events arrive.
#[derive(Default)]
struct Builder {
    root: Option<Node>,
    /// The collections that are open, the innermost last.
    open: Vec<Open>,
    /// The finished nodes that an alias may name, with their sizes.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    documents: usize,
}

/// A collection whose end has not come yet.
struct Open {
    node: Node,
    anchor: usize,
    /// The key that waits for its value.
    key: Option<(String, Position)>,
    /// The node count when it began.
    nodes_before: usize,
}

impl Builder {
    fn accept(&mut self, event: Event<'_>, at: Position) -> Result<(), Problem> {
        match event {
            Event::DocumentStart(..) => self.begin_document(at),
            Event::Scalar(text, style, anchor, tag) => {
                refuse_tag(tag.as_deref(), at)?;
                let style = if style == ScalarStyle::Plain { Style::Plain } else { Style::Quoted };
                let value = Value::Scalar(Scalar { text: text.into_owned(), style });
                self.finish(Node { value, at }, anchor, 1)
            }
            Event::SequenceStart(_, anchor, tag) => self.begin(Value::List(Vec::new()), anchor, tag.as_deref(), at),
            Event::MappingStart(_, anchor, tag) => self.begin(Value::Map(Vec::new()), anchor, tag.as_deref(), at),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, at),
            _ => Ok(()),
        }
    }

    fn begin_document(&mut self, at: Position) -> Result<(), Problem> {
        self.documents += 1;
        if self.documents > 1 { Err(problem(at, ProblemKind::SecondDocument)) } else { Ok(()) }
    }

    fn begin(&mut self, value: Value, anchor: usize, tag: Option<&Tag>, at: Position) -> Result<(), Problem> {
        refuse_tag(tag, at)?;
        if self.open.len() == MAX_DEPTH {
            return Err(problem(at, ProblemKind::TooDeep { limit: MAX_DEPTH }));
        }
        self.open.push(Open { node: Node { value, at }, anchor, key: None, nodes_before: self.nodes });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Problem> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let size = self.nodes - open.nodes_before + 1;
        self.finish(open.node, open.anchor, size)
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Result<(), Problem> {
        // An alias inside its own anchor is the only one that is not finished.
        let Some((node, size)) = self.anchors.get(&anchor) else { return Err(problem(at, ProblemKind::AliasOfItself)) };
        let (node, size) = (node.clone(), *size);
        self.count(size - 1, at)?;
        if self.open.len() + depth(&node) > MAX_DEPTH {
            return Err(problem(at, ProblemKind::TooDeep { limit: MAX_DEPTH }));
        }
        self.finish(node, 0, size)
    }

    fn count(&mut self, nodes: usize, at: Position) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES { Err(problem(at, ProblemKind::TooManyValues { limit: MAX_NODES })) } else { Ok(()) }
    }

    /// Puts a finished node into the innermost open collection.
    fn finish(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), Problem> {
        self.count(1, node.at)?;
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut open.node.value, open.key.take()) {
            (Value::List(items), _) => items.push(node),
            (Value::Map(entries), Some((key, at))) => entries.push(Entry { key, at, value: node }),
            (Value::Map(_), None) => match node.value {
                Value::Scalar(Scalar { text, .. }) => open.key = Some((text, node.at)),
                Value::List(_) | Value::Map(_) => return Err(problem(node.at, ProblemKind::KeyIsNoText)),
            },
            (Value::Scalar(_), _) => {}
        }
        Ok(())
    }
}

/// How many collections are nested in `node`, itself included.
fn depth(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(_) => 0,
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(entries) => 1 + entries.iter().map(|entry| depth(&entry.value)).max().unwrap_or(0),
    }
}

fn refuse_tag(tag: Option<&Tag>, at: Position) -> Result<(), Problem> {
    if tag.is_some() { Err(problem(at, ProblemKind::Tag)) } else { Ok(()) }
}

fn problem(at: Position, kind: ProblemKind) -> Problem {
    Problem { place: Place::root(at), kind }
}
