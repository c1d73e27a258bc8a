"""What authors write: nodes, reviews, forms, executors and their inputs and outputs.

Law: a declaration that can't work fails when it is made, with a sentence that names the place.
"""
