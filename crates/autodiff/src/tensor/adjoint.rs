//! Derivatives that arrive in parts.

use burn::tensor::Tensor;

/// Where among the columns of an operand a derivative belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// First column.
    pub start: usize,
    /// Columns of the operand.
    pub of: usize,
}

/// The derivative with respect to a matrix, as far as it has arrived. Parts of columns, as they come
/// from splitting a matrix, are put side by side at the end, in one operation.
#[expect(clippy::large_enum_variant, reason = "one per recorded variable; most are whole")]
pub(super) enum Adjoint {
    Whole(Tensor<2>),
    /// Disjoint parts with their first columns, of so many columns.
    Parts(Vec<(usize, Tensor<2>)>, usize),
}

impl Adjoint {
    /// A first contribution.
    pub fn new(part: Tensor<2>, place: Option<Place>) -> Self {
        match place {
            None => Self::Whole(part),
            Some(Place { start, of }) => Self::Parts(vec![(start, part)], of),
        }
    }

    /// One more contribution.
    pub fn add(self, part: Tensor<2>, place: Option<Place>) -> Self {
        match (self, place) {
            (Self::Parts(mut parts, of), Some(Place { start, .. })) => {
                let end = start + part.dims()[1];
                if parts.iter().all(|(from, other)| end <= *from || from + other.dims()[1] <= start)
                {
                    parts.push((start, part));
                    return Self::Parts(parts, of);
                }
                let own = Self::Parts(vec![(start, part)], of).whole();
                Self::Whole(Self::Parts(parts, of).whole() + own)
            }
            (before, place) => Self::Whole(before.whole() + Self::new(part, place).whole()),
        }
    }

    /// The sum of all contributions.
    pub fn whole(self) -> Tensor<2> {
        let (mut parts, of) = match self {
            Self::Whole(tensor) => return tensor,
            Self::Parts(parts, of) => (parts, of),
        };
        parts.sort_by_key(|(start, _)| *start);
        let (rows, device, dtype) = {
            let first = &parts[0].1;
            (first.dims()[0], first.device().without_autodiff(), first.dtype())
        };
        let blank = |width: usize| Tensor::zeros([rows, width], (&device, dtype));
        let mut all = Vec::with_capacity(2 * parts.len() + 1);
        let mut reached = 0;
        for (start, part) in parts {
            if start > reached {
                all.push(blank(start - reached));
            }
            reached = start + part.dims()[1];
            all.push(part);
        }
        if of > reached {
            all.push(blank(of - reached));
        }
        if all.len() == 1 { all.remove(0) } else { Tensor::cat(all, 1) }
    }
}
