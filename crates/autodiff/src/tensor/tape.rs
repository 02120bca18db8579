//! The record of operations and the walk back through it.

use std::cell::RefCell;
use std::rc::Rc;

use burn::tensor::Tensor;

use super::adjoint::{Adjoint, Place};

/// Turns the derivative with respect to a result into that with respect to one operand.
type Pullback = Box<dyn Fn(Tensor<2>) -> Tensor<2>>;

/// A tracked operand of a recorded result.
struct Operand {
    index: usize,
    pullback: Pullback,
    /// Which of its columns the result depends on; all if `None`.
    place: Option<Place>,
}

/// One recorded result: the ways back to its operands.
type Record = Vec<Operand>;

/// A record of operations on variables, for derivatives with respect to some of them.
#[derive(Clone, Default)]
pub struct Tape {
    records: Rc<RefCell<Vec<Record>>>,
}

/// A matrix that a [`Tape`] may differentiate with respect to.
#[derive(Clone)]
pub struct Var {
    value: Tensor<2>,
    node: Option<Node>,
}

/// Where on which tape a variable was recorded.
#[derive(Clone)]
pub(super) struct Node {
    tape: Tape,
    index: usize,
}

impl Tape {
    /// An empty tape.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A variable to differentiate with respect to.
    #[must_use]
    pub fn input(&self, value: Tensor<2>) -> Var {
        Var { value, node: Some(self.push(Vec::new())) }
    }

    fn push(&self, record: Record) -> Node {
        let mut records = self.records.borrow_mut();
        records.push(record);
        Node { tape: self.clone(), index: records.len() - 1 }
    }

    /// The derivatives of the sum of all entries of `output` with respect to each of `inputs`, each
    /// of the shape of its input. When each row of `output` depends on one row of the inputs only,
    /// as in a batch, row `b` of the result is the gradient of row `b`.
    ///
    /// The derivatives are tracked by burn wherever a tensor that burn tracks went into them.
    ///
    /// # Panics
    /// If an input or the output is of another tape.
    #[must_use]
    pub fn gradient(&self, output: &Var, inputs: &[&Var]) -> Vec<Tensor<2>> {
        let records = self.records.borrow();
        let mut adjoints: Vec<Option<Adjoint>> = records.iter().map(|_| None).collect();
        if let Some(node) = &output.node {
            let ones = output.value.clone().inner().ones_like();
            adjoints[self.index_of(node)] = Some(Adjoint::new(ones, None));
        }
        let wanted: Vec<usize> = inputs
            .iter()
            .map(|input| self.index_of(input.node.as_ref().expect("an input of this tape")))
            .collect();
        let mut found: Vec<Option<Tensor<2>>> = vec![None; wanted.len()];
        for index in (0..records.len()).rev() {
            let Some(adjoint) = adjoints[index].take() else { continue };
            let adjoint = adjoint.whole();
            for (wanted, found) in wanted.iter().zip(&mut found) {
                if *wanted == index {
                    *found = Some(adjoint.clone());
                }
            }
            for Operand { index: operand, pullback, place } in &records[index] {
                let part = pullback(adjoint.clone());
                adjoints[*operand] = Some(match adjoints[*operand].take() {
                    Some(before) => before.add(part, *place),
                    None => Adjoint::new(part, *place),
                });
            }
        }
        let zero = |input: &&Var| input.value.clone().inner().zeros_like();
        found
            .into_iter()
            .zip(inputs)
            .map(|(adjoint, input)| adjoint.unwrap_or_else(|| zero(input)))
            .collect()
    }

    fn index_of(&self, node: &Node) -> usize {
        assert!(Rc::ptr_eq(&self.records, &node.tape.records), "a variable of another tape");
        node.index
    }
}

impl Var {
    /// A variable that no tape differentiates with respect to; burn may still track it.
    #[must_use]
    pub fn constant(value: Tensor<2>) -> Self {
        Self { value, node: None }
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> &Tensor<2> {
        &self.value
    }

    /// Its value, without a copy.
    #[must_use]
    pub fn into_value(self) -> Tensor<2> {
        self.value
    }

    /// `[rows, columns]`.
    #[must_use]
    pub fn dims(&self) -> [usize; 2] {
        self.value.dims()
    }

    /// The same value, as a constant of both the tape and burn.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self::constant(self.value.clone().inner())
    }

    /// The result of an operation on one variable.
    pub(super) fn unary(
        &self,
        value: Tensor<2>,
        pullback: impl Fn(Tensor<2>) -> Tensor<2> + 'static,
    ) -> Self {
        self.placed(value, Box::new(pullback), None)
    }

    /// Some columns of this variable, from `start` on.
    pub(super) fn part(&self, value: Tensor<2>, start: usize) -> Self {
        let place = Place { start, of: self.dims()[1] };
        self.placed(value, Box::new(|adjoint| adjoint), Some(place))
    }

    fn placed(&self, value: Tensor<2>, pullback: Pullback, place: Option<Place>) -> Self {
        let node = self
            .node
            .as_ref()
            .map(|node| node.tape.push(vec![Operand { index: node.index, pullback, place }]));
        Self { value, node }
    }

    /// The result of an operation on several variables, each with its pullback.
    ///
    /// # Panics
    /// If they are of different tapes.
    pub(super) fn joined(value: Tensor<2>, operands: Vec<(Option<Node>, Pullback)>) -> Self {
        let mut tape: Option<Tape> = None;
        let mut record = Record::new();
        for (node, pullback) in operands {
            let Some(node) = node else { continue };
            let tape = tape.get_or_insert_with(|| node.tape.clone());
            record.push(Operand { index: tape.index_of(&node), pullback, place: None });
        }
        let node = tape.map(|tape| tape.push(record));
        Self { value, node }
    }

    /// True if a tape differentiates with respect to it.
    pub(super) fn is_recorded(&self) -> bool {
        self.node.is_some()
    }

    /// Where it was recorded; `None` for a constant.
    pub(super) fn node(&self) -> Option<Node> {
        self.node.clone()
    }
}

impl std::fmt::Debug for Var {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let recorded = if self.node.is_some() { "recorded" } else { "constant" };
        write!(formatter, "Var{:?} ({recorded})", self.dims())
    }
}
