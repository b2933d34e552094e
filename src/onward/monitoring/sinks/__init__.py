"""What was recorded, in other people's tools: MLflow, Weights & Biases, TensorBoard, Prometheus, OpenTelemetry."""

from ._feed import Feed as Feed
from ._mirror import Mirrored as Mirrored
from ._mirror import Position as Position
from ._mirror import mirror as mirror
from ._mlflow import MLflowSink as MLflowSink
from ._opentelemetry import observe as observe
from ._points import Point as Point
from ._points import points as points
from ._prometheus import CONTENT_TYPE as CONTENT_TYPE
from ._prometheus import PrometheusCollector as PrometheusCollector
from ._prometheus import prometheus_text as prometheus_text
from ._sink import Sink as Sink
from ._sink import SinkStatus as SinkStatus
from ._tensorboard import TensorBoardSink as TensorBoardSink
from ._wandb import WandbSink as WandbSink
