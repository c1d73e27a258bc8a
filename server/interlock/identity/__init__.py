"""The people and service accounts that the server knows itself, and the tokens that it issues to them.

Laws:
- Tokens of an identity provider, and those in the settings, go on as they are; the directory adds groups to them, and
  refuses whoever is disabled.
- A person is an account, an issuer and the issuer's name for them; never an address. Their id never changes.
- Nobody gives what they lack, nor changes whoever has more than they do.
- What is disabled or revoked is refused at once here, and on every node within a second.
"""
