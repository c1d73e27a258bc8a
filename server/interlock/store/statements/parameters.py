"""Parameters shared by many statements."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, Text, bindparam

OF_RUN = bindparam("of_run", type_=Text)
OF_ACCOUNT = bindparam("of_account", type_=Text)
OF_USER = bindparam("of_user", type_=Text)
OF_SESSION = bindparam("of_session", type_=Text)
OF_REQUIREMENT = bindparam("of_requirement", type_=Text)
NOW = bindparam("now", type_=BigInteger)
AT_MOST = bindparam("at_most", type_=Integer)
