variable "markets" {
  description = "CRM vaults by market"
  nullable    = false
  type = map(object({
    address = string
    sandbox = optional(bool, true)
    number  = optional(number)
    covers  = set(string)
  }))
  validation {
    condition     = length(var.markets) < 100
    error_message = "That is too many."
  }
}

locals {
  domains = [for m in var.markets : split(".", m.address)[0]]
}

vault "library" {
  kind        = "promomats"
  environment = "sandbox"
  url         = "dev://library"
  burst_share = "60%"
}

vault "crm" {
  for_each            = var.markets
  kind                = "crm"
  environment         = each.value.sandbox ? "sandbox" : "production"
  url                 = each.value.address
  id                  = each.value.number
  credentials_command = ["pass", "show", each.key]
}

connection "crm" {
  for_each         = var.markets
  type             = "promomats_crm"
  content          = vault.library
  crm              = vault.crm[each.key]
  content_api_name = "crm_${each.key}__c"
}

permission_set "sync" {
  for_each      = var.markets
  vault         = vault.crm[each.key]
  name          = "sync__c"
  label         = <<-EOT
    May sync
  EOT
  bundles       = ["clm_integration"]
  vault_actions = []

  object "product__v" {
    permissions = ["read", "edit"]
    field "*" {
      permission = "read"
    }
    field "name__v" {
      permission = "edit"
    }
  }
}
