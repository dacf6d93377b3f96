/** Kind `shop` as its next major might have it: things are renamed, moved, counted otherwise, and there is more to say. */
export const shopV2 = `syntax = "proto3";

package kinds.shop.v2;

message ShopTask {
  string reference = 1;
  repeated Stop stops = 2;
  Place depot = 3;
  uint32 hurry = 4;
}

message Stop {
  string store_id = 1;
  string store_name = 2;
  double x = 3;
  double y = 4;
  repeated Item items = 5;
}

message Place {
  double x = 1;
  double y = 2;
}

message Item {
  string line_id = 1;
  string product_id = 2;
  string sku = 3;
  string title = 4;
  uint64 quantity = 5;
}

message ShopProgress {
  oneof step {
    Arrived arrived = 1;
    ItemPicked item_picked = 2;
    ItemShort item_short = 3;
    Battery battery = 4;
  }
}

message Arrived {
  string store_id = 1;
  uint32 stop = 2;
}

message Battery {
  uint32 percent = 1;
}

message ItemPicked {
  string line_id = 1;
  string product_id = 2;
  string store_id = 3;
  uint64 quantity = 4;
}

message ItemShort {
  string line_id = 1;
  string product_id = 2;
  string store_id = 3;
  uint64 quantity = 4;
}

message ShopResult {
  repeated LineOutcome lines = 1;
  uint64 walked_mm = 2;
}

message LineOutcome {
  string line_id = 1;
  uint64 picked = 2;
  uint64 missing = 3;
}
`;

const partial = 'no line has four thousand million pieces';
const pieces = (message: string, older = 'quantity', newer = older) => ({ in: message, older, newer, partial });

export const shopTranslation = {
  older: 'shop',
  newer: 'shop.v2',
  fields: [
    { in: 'ShopTask', older: 'order_id', newer: 'reference' },
    { in: 'ShopTask', newer: 'hurry', default: 1 },
    { in: 'Stop', older: 'place.x', newer: 'x' },
    { in: 'Stop', older: 'place.y', newer: 'y' },
    { in: 'Item', older: 'name', newer: 'title' },
    pieces('Item'),
    { in: 'ShopProgress', older: 'stop_reached', newer: 'arrived' },
    { in: 'ShopProgress', newer: 'battery' },
    { in: 'Arrived', older: 'stop_index', newer: 'stop' },
    pieces('ItemPicked'),
    pieces('ItemShort'),
    pieces('LineOutcome', 'picked'),
    pieces('LineOutcome', 'short', 'missing'),
    {
      ...{ in: 'ShopResult', older: 'walked_metres', newer: 'walked_mm', scale: 1000 },
      ...{ lossy: 'nobody measures less than a millimetre', partial: 'a tour is finite and not negative' },
    },
  ],
};
