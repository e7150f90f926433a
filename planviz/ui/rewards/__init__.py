"""The Rewards page: designs side by side, and their training."""
