CREATE TABLE "orders"."cancellations" (
	"order_id" uuid PRIMARY KEY NOT NULL,
	"requested_by" text NOT NULL,
	"requested_at" timestamp (3) with time zone NOT NULL,
	"refunded" boolean NOT NULL,
	"goods" text NOT NULL,
	"return_task_ids" text[] NOT NULL,
	"asks" integer NOT NULL,
	"ask_again_at" timestamp (3) with time zone,
	"goods_by" timestamp (3) with time zone NOT NULL,
	"wakes_at" timestamp (3) with time zone
);
--> statement-breakpoint
ALTER TABLE "orders"."cancellations" ADD CONSTRAINT "cancellations_order_id_orders_id_fk" FOREIGN KEY ("order_id") REFERENCES "orders"."orders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "cancellations_due" ON "orders"."cancellations" USING btree ("wakes_at") WHERE wakes_at is not null;