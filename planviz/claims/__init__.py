"""The paper's eight claims: what tests each of them, on runs that were really trained, with an honest verdict."""
