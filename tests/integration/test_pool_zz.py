import tempfile, pytest, os
from test_pool_isolation import *
from test_pool_isolation import test_two_accounts_and_devices_that_give_up as base
del test_two_accounts_and_devices_that_give_up, test_passthrough_shares_nothing
@pytest.mark.parametrize("offer", ["DATA", "BDAT", "one by one"])
@pytest.mark.parametrize("n", range(20))
def test_zz(two_accounts, n, offer):
    base(two_accounts, offer, 1)
