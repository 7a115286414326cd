# The vaults of the content scripts: PromoMats, and the CRM vaults of the United
# States and of Canada. Two presentations are for both of them.

accord {
  state "local" {
    path = ".accord/accord.state.json"
  }

  limits {
    max_withdrawn = "100%"
    max_published = "100%"
    ignore_below  = 10
  }

  sync {
    filter_delay = "0s"
  }

  dev {
    library = "library"
  }
}

variable "countries" {
  type = map(set(string))
  default = {
    us = ["United States"]
    ca = ["Canada"]
  }
}

vault "promomats" {
  kind        = "promomats"
  environment = "production"
  url         = "dev://promomats"
}

vault "crm" {
  for_each    = var.countries
  kind        = "crm"
  environment = "production"
  url         = "dev://crm-${each.key}"
}

connection "crm" {
  for_each = var.countries
  type     = "promomats_crm"
  content  = vault.promomats
  crm      = vault.crm[each.key]
}

country_filter "crm" {
  for_each   = var.countries
  connection = connection.crm[each.key]
  countries  = each.value
}

integration "country" {
  for_each   = var.countries
  connection = connection.crm[each.key]
  type       = "country"
  status     = "active"
}

integration_point "country" {
  for_each    = var.countries
  integration = integration.country[each.key]
  name        = "clm_country"
  status      = "active"
}

integration "clm" {
  for_each   = var.countries
  connection = connection.crm[each.key]
  type       = "clm"
  status     = "active"
}

integration_point "clm" {
  for_each    = var.countries
  integration = integration.clm[each.key]
  name        = "clm_presentation"
  status      = "active"
}
