//! The Admin GraphQL documents that are sent, and nothing else.
//!
//! Every one validates against Shopify's own introspection of 2026-04, 2026-07 and 2026-10. Page sizes are chosen so
//! that no query can cost more than 1000 points (each object 1, each connection its page), where Shopify refuses it.
//! What the schema does not say and the server insists on since 2026-04: `@idempotent` stands on the *field*, and
//! `changeFromQuantity` is present even when it is null.

/// Sets `available`, comparing each with the value that it replaces.
pub(super) const SET_AVAILABLE: &str = r"mutation SetAvailable($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id changes { name item { id } location { id } } }
    userErrors { code field message }
  }
}";

/// Stocks an item at a location, with a quantity.
pub(super) const ACTIVATE: &str = r#"mutation Activate($item: ID!, $location: ID!, $available: Int, $key: String!) {
  inventoryActivate(inventoryItemId: $item, locationId: $location, available: $available) @idempotent(key: $key) {
    inventoryLevel { id isActive quantities(names: ["available"]) { quantity } }
    userErrors { field message }
  }
}"#;

/// What some items show at one location now.
pub(super) const ITEMS_NOW: &str = r#"query ItemsNow($ids: [ID!]!, $location: ID!) {
  nodes(ids: $ids) {
    ... on InventoryItem {
      id
      tracked
      inventoryLevel(locationId: $location) { isActive quantities(names: ["available"]) { quantity } }
    }
  }
}"#;

/// What everything shows at one location, page by page. Levels that were deactivated are left out by default.
pub(super) const LEVELS_AT_LOCATION: &str = r#"query LevelsAtLocation($location: ID!, $after: String) {
  location(id: $location) {
    inventoryLevels(first: 250, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes { isActive quantities(names: ["available"]) { quantity } item { id tracked } }
    }
  }
}"#;

/// What is stocked at one location.
pub(super) const ITEMS_AT_LOCATION: &str = r"query ItemsAtLocation($location: ID!, $after: String) {
  location(id: $location) {
    inventoryLevels(first: 100, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes {
        isActive
        item { id sku tracked variants(last: 1) { nodes { id inventoryPolicy requiresComponents } } }
      }
    }
  }
}";

/// What the shop sells.
pub(super) const VARIANT_MAP: &str = r"query VariantMap($after: String) {
  productVariants(first: 250, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes { id sku inventoryPolicy requiresComponents inventoryItem { id tracked } }
  }
}";

/// One order with up to 150 lines; with `$places`, where they are to be sent from.
pub(super) const ORDER_LINES: &str = r"query OrderLines($id: ID!, $places: Boolean!) {
  order(id: $id) {
    id
    createdAt
    updatedAt
    cancelledAt
    test
    sourceName
    retailLocation { id }
    lineItems(first: 150) {
      pageInfo { hasNextPage endCursor }
      nodes { id sku quantity currentQuantity unfulfilledQuantity variant { id inventoryItem { tracked } } }
    }
    refunds {
      id
      refundLineItems(first: 50) {
        pageInfo { hasNextPage endCursor }
        nodes { quantity restockType lineItem { id } location { id } }
      }
    }
    fulfillmentOrders(first: 5) @include(if: $places) {
      pageInfo { hasNextPage endCursor }
      nodes {
        status
        assignedLocation { location { id } }
        lineItems(first: 20) {
          pageInfo { hasNextPage endCursor }
          nodes { totalQuantity remainingQuantity lineItem { id } }
        }
      }
    }
  }
}";

/// The lines of an order after the first page. `updatedAt` tells whether it is still the same state.
pub(super) const ORDER_MORE_LINES: &str = r"query OrderMoreLines($id: ID!, $after: String) {
  order(id: $id) {
    updatedAt
    lineItems(first: 250, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes { id sku quantity currentQuantity unfulfilledQuantity variant { id inventoryItem { tracked } } }
    }
  }
}";

/// The lines of a refund after the first page.
pub(super) const REFUND_MORE_LINES: &str = r"query RefundMoreLines($id: ID!, $after: String) {
  refund(id: $id) {
    refundLineItems(first: 250, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes { quantity restockType lineItem { id } location { id } }
    }
  }
}";

/// Where the lines of an order with many fulfilment orders, or long ones, are to be sent from: one of them at a time, page
/// by page.
pub(super) const ORDER_PLACES: &str = r"query OrderPlaces($id: ID!, $after: String, $lines: String) {
  order(id: $id) {
    fulfillmentOrders(first: 1, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes {
        status
        assignedLocation { location { id } }
        lineItems(first: 250, after: $lines) {
          pageInfo { hasNextPage endCursor }
          nodes { totalQuantity remainingQuantity lineItem { id } }
        }
      }
    }
  }
}";

/// Which order a fulfilment order belongs to.
pub(super) const ORDER_OF: &str =
    r"query OrderOf($id: ID!) { fulfillmentOrder(id: $id) { orderId } }";

/// Orders by their last change. 20 orders of 8 lines and 4 refunded lines stay under 1000 points, and 10 with two
/// fulfilment orders each; an order with more is fetched by itself.
pub(super) const ORDERS_SINCE: &str = r"query OrdersSince($q: String!, $first: Int!, $after: String, $places: Boolean!) {
  orders(first: $first, after: $after, query: $q, sortKey: UPDATED_AT) {
    pageInfo { hasNextPage endCursor }
    nodes {
      id
      createdAt
      updatedAt
      cancelledAt
      test
      sourceName
      retailLocation { id }
      lineItems(first: 8) {
        pageInfo { hasNextPage endCursor }
        nodes { id sku quantity currentQuantity unfulfilledQuantity variant { id inventoryItem { tracked } } }
      }
      refunds {
        id
        refundLineItems(first: 4) {
          pageInfo { hasNextPage endCursor }
          nodes { quantity restockType lineItem { id } location { id } }
        }
      }
      fulfillmentOrders(first: 2) @include(if: $places) {
        pageInfo { hasNextPage endCursor }
        nodes {
          status
          assignedLocation { location { id } }
          lineItems(first: 8) {
            pageInfo { hasNextPage endCursor }
            nodes { totalQuantity remainingQuantity lineItem { id } }
          }
        }
      }
    }
  }
}";

/// Subscribes one topic.
pub(super) const WEBHOOK_CREATE: &str = r"mutation WebhookCreate($topic: WebhookSubscriptionTopic!, $sub: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $sub) {
    webhookSubscription { id topic uri }
    userErrors { field message }
  }
}";

/// The subscriptions that this app made through the API.
pub(super) const WEBHOOK_LIST: &str = r"query WebhookList($after: String) {
  webhookSubscriptions(first: 100, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes { id topic uri }
  }
}";

/// The shop, the versions and what our token may do.
pub(super) const DOCTOR: &str = r"query Doctor {
  shop { name myshopifyDomain }
  publicApiVersions { handle supported }
  currentAppInstallation { accessScopes { handle } }
}";

/// The shop's locations; those of fulfilment services are left out, for their stock is not ours to set.
pub(super) const LOCATIONS: &str = r"query Locations($after: String) {
  locations(first: 50, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes { id name isActive fulfillsOnlineOrders }
  }
}";
