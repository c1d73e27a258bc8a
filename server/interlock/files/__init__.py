"""The bytes of uploaded files, and what can be said of them by looking at them."""
