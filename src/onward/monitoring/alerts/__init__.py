"""Alerts: rules over what is observed, what was found, who is told of it. Proposes; never acts."""

from ._book import Alerts as Alerts
from ._channels import Channel as Channel
from ._channels import Down as Down
from ._channels import Message as Message
from ._channels import Refused as Refused
from ._channels import channels_of as channels_of
from ._channels import signature as signature
from ._figures import machine_memory as machine_memory
from ._figures import tracked as tracked
from ._notes import Hold as Hold
from ._notes import Silence as Silence
from ._notes import held as held
from ._outbox import Delivery as Delivery
from ._outbox import Sent as Sent
from ._outbox import body as body
from ._outbox import deliver_due as deliver_due
from ._outbox import message_of as message_of
from ._outbox import revive as revive
from ._outbox import undelivered as undelivered
from ._records import Alert as Alert
from ._records import Answer as Answer
from ._records import Observation as Observation
from ._records import Rule as Rule
from ._records import Standing as Standing
from ._rules import rules_of as rules_of
from ._watchman import Watchman as Watchman
