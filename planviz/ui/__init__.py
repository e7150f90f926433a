"""What the pages share: the experiment being set up, the one being looked at, settings widgets, live panels."""
