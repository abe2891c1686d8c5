"""SLK1, the contract between phone, locker and server: bytes in, values or one error out.

Pure: standard library and PyNaCl only. Time, nonces and key pairs are always arguments.
"""
