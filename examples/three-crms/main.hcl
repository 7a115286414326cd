# One PromoMats vault feeds three CRM vaults. Each receives the presentations of
# its own countries, and those of the country Global, which lists them all.

accord {
  required_version = ">= 0.1.0"

  state "local" {
    path = ".accord/accord.state.json"
  }

  limits {
    max_withdrawn = "20%"
    max_published = "50%"
    ignore_below  = 10
  }

  sync {
    filter_delay = "0s" # a real vault waits five minutes after an edit of the filter
  }

  dev {
    library = "library"
    burst   = 1000000
  }
}

variable "crm" {
  description = "The CRM vaults, and the countries each of them serves."
  type = map(object({
    url       = string
    countries = set(string)
  }))
  default = {
    a = { url = "dev://crm-a", countries = ["United States"] }
    b = { url = "dev://crm-b", countries = ["United States", "Canada"] }
    c = { url = "dev://crm-c", countries = ["Mexico", "Canada"] }
  }
}

vault "promomats" {
  kind        = "promomats"
  environment = "production"
  url         = "dev://promomats"
}

# Nothing here is declared about MedComms. CRM A has a CrossLink of it, which is
# not ours, and stays as it is.
vault "medcomms" {
  kind        = "medcomms"
  environment = "production"
  url         = "dev://medcomms"
}

vault "crm" {
  for_each    = var.crm
  kind        = "crm"
  environment = "production"
  url         = each.value.url
}

connection "crm" {
  for_each = var.crm
  type     = "promomats_crm"
  content  = vault.promomats
  crm      = vault.crm[each.key]
}
