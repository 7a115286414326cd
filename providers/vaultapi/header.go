package vaultapi

// Headers of Vault's API, as net/http keeps them: under another spelling each
// look is a copy of the name.
const (
	headerClientID       = "X-Vaultapi-Clientid"
	headerVaultID        = "X-Vaultapi-Vaultid"
	headerExecutionID    = "X-Vaultapi-Executionid"
	headerStatus         = "X-Vaultapi-Status"
	headerDowntime       = "X-Vaultapi-Downtimeexpecteddurationminutes"
	headerBurstLimit     = "X-Vaultapi-Burstlimit"
	headerBurstRemaining = "X-Vaultapi-Burstlimitremaining"
)
