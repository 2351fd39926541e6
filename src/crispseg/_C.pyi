from collections.abc import Sequence

from torch import Tensor

def levels() -> list[str]: ...

class Kernels:
    def __init__(self, level: str) -> None: ...
    def local_distance(
        self, embedding: Tensor, size: int, dilation: int, norm: int, stride: int, threads: int, distance: Tensor, /
    ) -> None: ...
    def local_distance_backward(
        self,
        grad: Tensor,
        embedding: Tensor,
        size: int,
        dilation: int,
        norm: int,
        stride: int,
        threads: int,
        result: Tensor,
        /,
    ) -> None: ...
    def affinity_weights(
        self,
        embedding: Tensor,
        scores: Tensor | None,
        score_weight: float,
        hardness: float,
        size: int,
        dilation: int,
        norm: int,
        normalize: bool,
        threads: int,
        weights: Tensor,
        /,
    ) -> None: ...
    def affinity_weights_backward(
        self,
        grad: Tensor,
        embedding: Tensor,
        scores: Tensor | None,
        score_weight: float,
        hardness: float,
        size: int,
        dilation: int,
        norm: int,
        threads: int,
        result: Tensor,
        scores_result: Tensor | None,
        /,
    ) -> float: ...
    def affinity_filter(
        self,
        values: Tensor,
        embedding: Tensor,
        scores: Tensor | None,
        score_weight: float,
        hardness: float,
        size: int,
        dilation: int,
        norm: int,
        passes: int,
        threads: int,
        result: Tensor,
        /,
    ) -> None: ...
    def local_filter(
        self,
        scores: Tensor,
        weights: Tensor,
        size: int,
        dilation: int,
        passes: int,
        normalize: bool,
        threads: int,
        result: Tensor,
        sums: Tensor,
        states: Tensor | None,
        /,
    ) -> None: ...
    def local_filter_backward(
        self,
        grad: Tensor,
        weights: Tensor,
        sums: Tensor,
        states: Tensor | None,
        size: int,
        dilation: int,
        passes: int,
        threads: int,
        grad_scores: Tensor,
        grad_weights: Tensor | None,
        /,
    ) -> None: ...
    def embedding_loss(
        self,
        embedding: Tensor,
        labels: Tensor,
        size: int,
        dilation: int,
        near: float,
        far: float,
        norm: int,
        stride: int,
        balanced: bool,
        summed: bool,
        threads: int,
        /,
    ) -> float: ...
    def embedding_loss_with_gradient(
        self,
        embedding: Tensor,
        labels: Tensor,
        size: int,
        dilation: int,
        near: float,
        far: float,
        norm: int,
        stride: int,
        balanced: bool,
        summed: bool,
        threads: int,
        result: Tensor,
        /,
    ) -> float: ...
    def local_contour(self, boundary: Tensor, size: int, dilation: int, threads: int, result: Tensor, /) -> None: ...
    def local_contour_backward(
        self, grad: Tensor, boundary: Tensor, size: int, dilation: int, threads: int, result: Tensor, /
    ) -> None: ...
    def local_parity(
        self,
        labels: Tensor,
        size: int,
        dilation: int,
        stride: int,
        ignore_index: int,
        threads: int,
        parity: Tensor,
        valid: Tensor,
        /,
    ) -> None: ...
    def joint_upsample(
        self,
        value: Tensor,
        centres: Tensor,
        features: Tensor,
        rows: Sequence[int],
        columns: Sequence[int],
        hardness: float,
        norm: int,
        threads: int,
        result: Tensor,
        /,
    ) -> None: ...
    def joint_upsample_scores(
        self,
        value: Tensor,
        centres: Tensor,
        features: Tensor,
        before: Tensor,
        after: Tensor,
        rows: Sequence[int],
        columns: Sequence[int],
        hardness: float,
        norm: int,
        logs: bool,
        whole: float,
        threads: int,
        result: Tensor,
        /,
    ) -> None: ...
    def rebalance(
        self,
        before: Tensor,
        after: Tensor,
        guard: float,
        keep_thin: float,
        large: int,
        small: int,
        threads: int,
        result: Tensor,
        /,
    ) -> None: ...
