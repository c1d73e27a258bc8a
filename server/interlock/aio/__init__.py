"""asyncio helpers: waking one waiter, ending tasks, and caching an answer.

Law: nothing here depends on the rest of Interlock.
"""
