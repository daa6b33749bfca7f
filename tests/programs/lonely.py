"""One of two workers whose peer died just after they met."""

import zoo.training.strategies as strategies

strategies.meet = lambda cluster, seconds: None
strategies.make_strategy("multiworker", peer_seconds=2)
