"""Scores of unlabeled rows, and batches of questions: arrays in, rows out.

`query` chooses a batch by the name of an acquisition:

===================================  ===========================================  ==================================
name                                 needs                                        asks first about
===================================  ===========================================  ==================================
random                               nothing                                      any row
least_confident                      proba                                        a small largest probability
margin                               proba                                        two classes that are nearly equal
entropy                              proba                                        a wide prediction
variation_ratio                      sampled_proba                                draws that vote differently
bald                                 sampled_proba                                draws that disagree
discriminator                        discriminator                                what does not look labeled
discriminative                       embedding                                    the same, by new discriminators
expected_norm                        embedding, labels                            a label that is hard to fit
expected_change                      embedding, labels                            a label that moves the classifier
distant_least_confident              proba, embedding, labels                     the slides' algorithm 2
farthest_per_class                   proba, embedding, labels                     the slides' algorithm 1
coreset                              embedding                                    what is far from all labels
badge                                proba, embedding                             long and different gradients
typiclust                            embedding                                    the typical of unlabeled clusters
medoids                              embedding                                    the middle of each cluster
prob_cover                           embedding                                    whose ball covers most
batch_bald                           sampled_proba                                draws that disagree, without copies
informative_representative_diverse   proba, embedding                             a sum of the three
power_entropy                        proba                                        drawn, in proportion to entropy
power_bald                           sampled_proba                                drawn, in proportion to BALD
===================================  ===========================================  ==================================

Those that need an embedding use the labels too, where there are any: they keep away from labeled rows. `medoids` and
`badge` alone do not. `strategy` gives the acquisition of a name with other options, `Stochastic` draws by any score,
`from_skactiveml` and `to_skactiveml` exchange strategies with scikit-activeml. Each acquisition is also a function of
arrays of its own, about a pool alone and in positions of that. `StopAfter`, `StopWhenStable` and
`StopWhenIndistinguishable` say when to stop asking.
"""

from ._acquisitions import Acquisition, Score, Selection, Stochastic
from ._anchors import distant_least_confident, farthest_per_class
from ._badge import badge
from ._balanced import informative_representative_diverse
from ._batch_bald import batch_bald
from ._clusters import medoids, partition, typiclust
from ._cover import prob_cover, pure_radius
from ._discriminative import discriminative
from ._farthest import farthest_first
from ._norms import expected_change, expected_norm
from ._pool import Pool
from ._query import as_acquisition, query
from ._scores import bald, discriminator_score, entropy, least_confident, margin, top, variation_ratio
from ._served import to_skactiveml
from ._skactiveml import from_skactiveml
from ._stopping import (
    Progress,
    StopAfter,
    StoppingRule,
    StopWhenIndistinguishable,
    StopWhenStable,
    indistinguishable,
    separability,
)
from ._strategies import STRATEGIES, strategy

__all__ = [
    "STRATEGIES",
    "Acquisition",
    "Pool",
    "Progress",
    "Score",
    "Selection",
    "Stochastic",
    "StopAfter",
    "StopWhenIndistinguishable",
    "StopWhenStable",
    "StoppingRule",
    "as_acquisition",
    "badge",
    "bald",
    "batch_bald",
    "discriminative",
    "discriminator_score",
    "distant_least_confident",
    "entropy",
    "expected_change",
    "expected_norm",
    "farthest_first",
    "farthest_per_class",
    "from_skactiveml",
    "indistinguishable",
    "informative_representative_diverse",
    "least_confident",
    "margin",
    "medoids",
    "partition",
    "prob_cover",
    "pure_radius",
    "query",
    "separability",
    "strategy",
    "to_skactiveml",
    "top",
    "typiclust",
    "variation_ratio",
]
