//! The record of operations and the walk back through it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use burn::module::{Param, ParamId};
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
///
/// Reverse mode: from the last operation to the first, each `v = f(u)` adds to the derivative of
/// the output `y` with respect to its operand, `dy/du += (df/du)^T dy/dv`, by ordinary burn
/// operations.
///
/// *Shapes.* Variables are matrices `[row, column]`; a derivative has the shape of its input.
///
/// *When to use.* A loss that contains a derivative, such as a score; the gradient of a density for
/// a sampler; with [`Tape::of_weights`], training where tensors are small. A gradient costs a small
/// multiple of one evaluation, whatever the number of inputs.
/// *When not.* Full Jacobians: each column of the output needs a walk of its own. Third
/// derivatives: burn differentiates the result of a tape once. Tensors with more than two
/// dimensions, as those of convolutions: burn's own `backward`. Scalar code with few inputs:
/// [`Dual`](crate::Dual). A record holds what its derivatives need until the tape and its variables
/// are dropped.
///
/// # References
/// A. Griewank and A. Walther, *Evaluating Derivatives*, 2nd edition, SIAM 2008, chapter 3.
#[derive(Clone, Default)]
pub struct Tape {
    records: Rc<RefCell<Vec<Record>>>,
    scope: Scope,
}

/// What a tape records.
#[derive(Clone, Default)]
enum Scope {
    /// Operations on its inputs.
    #[default]
    Inputs,
    /// The same, and on weights; where each was recorded.
    Weights(Rc<RefCell<BTreeMap<ParamId, usize>>>),
    /// Nothing.
    Nothing,
}

/// The derivatives of a loss with respect to the weights that went into it.
#[derive(Debug)]
pub struct WeightGradients(BTreeMap<ParamId, Tensor<2>>);

impl WeightGradients {
    /// The derivative with respect to these weights, of their shape; `None` if they had no part in
    /// the loss.
    #[must_use]
    pub fn of<const D: usize>(&self, weights: &Param<Tensor<D>>) -> Option<Tensor<D>> {
        let gradient = self.0.get(&weights.id)?.clone();
        Some(gradient.reshape(weights.val().dims()))
    }
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

    /// An empty tape that records the weights of networks, too: see [`Tape::weight_gradients`].
    #[must_use]
    pub fn of_weights() -> Self {
        Self { scope: Scope::Weights(Rc::default()), ..Self::default() }
    }

    /// A tape that records nothing: its inputs are constants. For values only.
    #[must_use]
    pub fn idle() -> Self {
        Self { scope: Scope::Nothing, ..Self::default() }
    }

    /// A variable to differentiate with respect to.
    #[must_use]
    pub fn input(&self, value: Tensor<2>) -> Var {
        let node = match self.scope {
            Scope::Nothing => None,
            _ => Some(self.push(Vec::new())),
        };
        Var { value, node }
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
        let index =
            |input: &&Var| self.index_of(input.node.as_ref().expect("an input of this tape"));
        let wanted: Vec<usize> = inputs.iter().map(index).collect();
        let found = self.adjoints(output, &wanted);
        let zero = |input: &Var| input.value.clone().inner().zeros_like();
        wanted
            .iter()
            .zip(inputs)
            .map(|(index, input)| found[*index].clone().unwrap_or_else(|| zero(input)))
            .collect()
    }

    /// The derivatives of the sum of all entries of `output`, a loss, with respect to the weights that
    /// went into it. It takes a tape [of weights](Tape::of_weights) on which the data were inputs;
    /// burn need not track anything, which saves a good part of the time of its own `backward` where
    /// tensors are small.
    ///
    /// ```
    /// use autodiff::tensor::Tape;
    /// use burn::module::Param;
    /// use burn::tensor::{Device, Tensor};
    ///
    /// let device = Device::flex();
    /// let (w, b) = (Tensor::from_floats([[2.0], [-1.0]], &device), Tensor::zeros([1, 1], &device));
    /// let (w, b) = (Param::from_tensor(w), Param::from_tensor(b));
    /// let tape = Tape::of_weights();
    /// let x = tape.input(Tensor::from_floats([[1.0, 3.0], [0.5, 1.0]], &device));
    /// let loss = x.affine(&x.weights(&w), &x.weights(&b)).square().mean();
    /// // mean of 2 (x w) x
    /// let gradient = tape.weight_gradients(&loss).of(&w).unwrap();
    /// assert_eq!(gradient.try_into_vec_as::<f32>().unwrap(), [-1.0, -3.0]);
    /// ```
    ///
    /// # Panics
    /// If the output is of another tape, or no weights were recorded.
    #[must_use]
    pub fn weight_gradients(&self, output: &Var) -> WeightGradients {
        let weights = match &self.scope {
            Scope::Weights(weights) if !weights.borrow().is_empty() => weights.borrow(),
            _ => panic!("no weights were recorded: data must be inputs of a tape of weights"),
        };
        let wanted: Vec<usize> = weights.values().copied().collect();
        let mut found = self.adjoints(output, &wanted);
        let gradients = weights.iter().filter_map(|(id, index)| Some((*id, found[*index].take()?)));
        WeightGradients(gradients.collect())
    }

    /// The derivatives with respect to each of the `wanted` records, in their places.
    fn adjoints(&self, output: &Var, wanted: &[usize]) -> Vec<Option<Tensor<2>>> {
        let records = self.records.borrow();
        let mut is_wanted = vec![false; records.len()];
        for index in wanted {
            is_wanted[*index] = true;
        }
        let mut found: Vec<Option<Tensor<2>>> = vec![None; records.len()];
        let mut adjoints: Vec<Option<Adjoint>> = records.iter().map(|_| None).collect();
        if let Some(node) = &output.node {
            let ones = output.value.clone().inner().ones_like();
            adjoints[self.index_of(node)] = Some(Adjoint::new(ones, None));
        }
        for index in (0..records.len()).rev() {
            let Some(adjoint) = adjoints[index].take() else { continue };
            let adjoint = adjoint.whole();
            if is_wanted[index] {
                found[index] = Some(adjoint.clone());
            }
            for Operand { index: operand, pullback, place } in &records[index] {
                let part = pullback(adjoint.clone());
                adjoints[*operand] = Some(match adjoints[*operand].take() {
                    Some(before) => before.add(part, *place),
                    None => Adjoint::new(part, *place),
                });
            }
        }
        found
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

    /// The weights of a network that this variable goes into, as a variable of the same tape if that
    /// records weights, else as a constant of the tape that burn may track.
    #[must_use]
    pub fn weights(&self, weights: &Param<Tensor<2>>) -> Self {
        let value = weights.val();
        let Some(Node { tape, .. }) = &self.node else { return Self::constant(value) };
        let Scope::Weights(places) = &tape.scope else { return Self::constant(value) };
        let index =
            *places.borrow_mut().entry(weights.id).or_insert_with(|| tape.push(Vec::new()).index);
        Self { value, node: Some(Node { tape: tape.clone(), index }) }
    }

    /// Another input of the same tape, or a constant beside a constant.
    #[must_use]
    pub fn beside(&self, value: Tensor<2>) -> Self {
        match &self.node {
            Some(node) => node.tape.input(value),
            None => Self::constant(value),
        }
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
