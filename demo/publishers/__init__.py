"""Seven publishers of lottery results on 127.0.0.1, answering in their real shapes.

Each publisher is a small HTTP server. It knows a list of draws and shows each from the moment
it was drawn, by a clock that the caller gives, so that publishers can follow a chain's time.
Each can be told to misbehave: to print a wrong ball, to be down, slow or garbled.
"""

from demo.publishers.faults import NO_FAULT as NO_FAULT
from demo.publishers.faults import REAL_DRAWS as REAL_DRAWS
from demo.publishers.faults import Fault as Fault
from demo.publishers.faults import FaultKind as FaultKind
from demo.publishers.faults import Published as Published
from demo.publishers.faults import printed as printed
from demo.publishers.server import Publishers as Publishers
