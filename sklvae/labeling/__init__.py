"""Questions, answers, oracles, clusters and confidence: arrays in, arrays out."""

from ._answers import INVALID, SKIP, Answer, Oracle, OracleError, read_answers
from ._clusters import Cluster, find_clusters
from ._confidence import confidence_of
from ._console import ConsoleOracle
from ._consult import Round, consult
from ._cross_fitting import judged_pool
from ._fingerprint import array_digest, described, digest
from ._label_studio import LabelStudioFiles
from ._learners import forest_opinion, kernel_opinion
from ._log import AnswerLog, SessionError
from ._majority import MajorityOracle
from ._opinions import Foretold, fit_log_pool, log_pool, temperature_between
from ._oracles import MemoizingOracle, SimulatedOracle
from ._proposals import doubtful_clusters
from ._queries import Query, QueryBatch
from ._splitting import ask_clusters
from ._web import WebOracle

__all__ = [
    "INVALID",
    "SKIP",
    "Answer",
    "AnswerLog",
    "Cluster",
    "ConsoleOracle",
    "Foretold",
    "LabelStudioFiles",
    "MajorityOracle",
    "MemoizingOracle",
    "Oracle",
    "OracleError",
    "Query",
    "QueryBatch",
    "Round",
    "SessionError",
    "SimulatedOracle",
    "WebOracle",
    "array_digest",
    "ask_clusters",
    "confidence_of",
    "consult",
    "described",
    "digest",
    "doubtful_clusters",
    "find_clusters",
    "fit_log_pool",
    "forest_opinion",
    "judged_pool",
    "kernel_opinion",
    "log_pool",
    "read_answers",
    "temperature_between",
]
